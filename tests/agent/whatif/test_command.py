"""`bursar simulate`: the article's pipelines, for people and for machines."""

from __future__ import annotations

import json

from click.testing import CliRunner

from bursar.agent.cli import cli


def test_an_example_is_told_as_rows() -> None:
    """Every line with its levers, our figure, the article's, and why they differ."""
    ended = CliRunner().invoke(cli, ["simulate", "--example", "tickets", "--prices", "2025-06", "--json"])
    assert ended.exit_code == 0
    document = json.loads(ended.stdout)
    assert [row["levers"] for row in document["rows"]] == ["baseline", "tier", "tier+cache", "tier+cache+batch"]
    assert [row["usd_per_day"] for row in document["rows"]] == [16.5, 4.4, 4.4, 2.2]
    assert [row["article_usd_per_day"] for row in document["rows"]] == [None, 2.6, None, 1.3]
    assert all(row["why"] for row in document["rows"])


def test_people_are_shown_a_table() -> None:
    """With whose prices they are."""
    ended = CliRunner().invoke(cli, ["simulate", "--example", "invoices", "--prices", "2025-06"])
    assert ended.exit_code == 0
    assert "prices of 2025-06-15" in ended.stdout
    assert "52.50" in ended.stdout


def test_an_unknown_example_is_a_wrong_usage() -> None:
    """With those that there are."""
    ended = CliRunner().invoke(cli, ["simulate", "--example", "poems"])
    assert ended.exit_code == 2
    assert "invoices" in ended.output
