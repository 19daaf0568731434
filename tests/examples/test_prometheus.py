"""Claims about the examples for Prometheus and Grafana: they load, and name nothing that the agent does not tell."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from bursar.agent.ledger.forwardtables import TargetState
from bursar.agent.ledger.meterbook import Reading, Spend, Standing
from bursar.agent.serving.exposition import Health, Told

EXAMPLES = Path(__file__).parents[2] / "examples" / "prometheus"
RULES = EXAMPLES / "rules.yml"
DASHBOARD = EXAMPLES / "dashboard.json"
PROMTOOL = shutil.which("promtool")
_NAME = re.compile(r"\bbursar[_:][a-z0-9_:]+")
_SELECTED = re.compile(r"(bursar_[a-z_0-9]+)\{([^}]*)\}")


def told() -> dict[str, set[str]]:
    """Every sample of an agent with something of everything, and its labels."""
    reading = Reading(
        spend=(Spend("r", "m", 2, 1, 1, 1, 1, (1, 2, 3, 4, 5)),),
        decisions=(("block", "spent", 1),),
        standings=(Standing("b", "s", "usd", 10, 5, 1, 1),),
        holds=1,
        held_nano=1,
        alerts=1,
        oldest_alert_ns=1,
        processes=1,
        commits=1,
    )
    forwards = (TargetState("f", present=True, oldest_ns=1, last_sent_ns=1),)
    health = Health("1", 0, 1, trouble=False, forwards=forwards)
    samples = (sample for metric in Told(reading, health).collect() for sample in metric.samples)
    return {sample.name: set(sample.labels) for sample in samples}


def rules() -> list[dict[str, Any]]:
    document: dict[str, Any] = yaml.safe_load(RULES.read_text(encoding="utf-8"))
    return [rule for group in document["groups"] for rule in group["rules"]]


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    return found


def expressions() -> Iterator[str]:
    """All that is asked of Prometheus."""
    for rule in rules():
        yield rule["expr"]
    board = dashboard()
    for panel in board["panels"]:
        for target in panel["targets"]:
            yield target["expr"]
    yield board["templating"]["list"][1]["query"]


def test_nothing_is_named_that_is_not_told() -> None:
    """Each metric in rules and dashboard is exported, or recorded by a rule."""
    known = {*told(), *(rule["record"] for rule in rules() if "record" in rule)}
    named = {name for expression in expressions() for name in _NAME.findall(expression)}
    assert named - known == set()


def test_nothing_told_is_shown_nowhere() -> None:
    """What is exported is of use: all but the version, which is for joins, and limits beside their ratio."""
    named = {name for expression in expressions() for name in _NAME.findall(expression)}
    assert set(told()) - named == {"bursar_agent_info"}


def test_labels_are_those_that_samples_have() -> None:
    """A selector on a label that a metric has not would select nothing, in silence."""
    samples = told()
    for expression in expressions():
        for name, selector in _SELECTED.findall(expression):
            labels = set(re.findall(r"([a-z_]+)\s*(?:=~|!~|!=|=)", selector))
            assert labels <= samples[name], expression


def test_alerts_say_what_to_do() -> None:
    """Each with a severity, a summary and a description, under a name of its own."""
    alerts = [rule for rule in rules() if "alert" in rule]
    assert len({alert["alert"] for alert in alerts}) == len(alerts) == 10
    for alert in alerts:
        assert alert["labels"]["severity"] in ("info", "warning", "critical")
        assert set(alert["annotations"]) == {"summary", "description"}


def test_the_dashboard_loads() -> None:
    """What Grafana asks of a dashboard: ids that differ, panels that do not overlap, a data source to choose."""
    board = dashboard()
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells
        assert panel["datasource"]["uid"] == "${datasource}"
        assert all(target["refId"] for target in panel["targets"])
    assert board["templating"]["list"][0]["type"] == "datasource"


def test_the_configuration_finds_its_rules() -> None:
    """Beside it, and the agent at its ordinary place."""
    config = yaml.safe_load((EXAMPLES / "prometheus.yml").read_text(encoding="utf-8"))
    assert [(EXAMPLES / name).is_file() for name in config["rule_files"]] == [True]
    (job,) = config["scrape_configs"]
    assert (job["job_name"], job["static_configs"]) == ("bursar", [{"targets": ["127.0.0.1:4319"]}])


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed (Debian's package prometheus brings it)")
def test_promtool_agrees(tmp_path: Path) -> None:
    """Configuration and rules are valid, and the alerts fire on series made for them."""
    assert PROMTOOL is not None
    shutil.copy(RULES, tmp_path)
    shutil.copy(Path(__file__).with_name("rules_test.yml"), tmp_path)
    for command in (
        ["check", "config", str(EXAMPLES / "prometheus.yml")],
        ["check", "rules", str(RULES)],
        ["test", "rules", str(tmp_path / "rules_test.yml")],
    ):
        done = subprocess.run([PROMTOOL, *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
