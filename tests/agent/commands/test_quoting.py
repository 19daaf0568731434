"""Claims about the price of a response, as it is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.agent.asking import alone, answer, bursar, complaint, lines


@pytest.fixture(autouse=True)
def _bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone(monkeypatch, tmp_path)


USAGE = '{"input_tokens": 1000, "output_tokens": 100}'


def test_a_price() -> None:
    """Sonnet 5.5 costs 2 and 10 USD per million tokens: 1,000 and 100 of them are 0.002 and 0.001 USD."""
    explained = answer("price", "--model", "claude-sonnet-5-5", "--usage", USAGE, "--at", "2026-11-01")
    assert (explained["nano_usd"], explained["model"]) == (3_000_000, "claude-sonnet-5-5")
    assert explained["price_id"] == "claude-sonnet-5-5@2026-10-07"
    assert [(line["label"], line["nano_usd"]) for line in explained["lines"]] == [
        ("input", 2_000_000),
        ("output", 1_000_000),
    ]
    assert answer("price", "--model", "claude-sonnet-5-5", "--usage", USAGE, "--batch")["nano_usd"] == 1_500_000


def test_a_price_for_people() -> None:
    """Line by line, with the total below."""
    said = lines(bursar("price", "--model", "claude-sonnet-5-5", "--usage", USAGE, "--at", "2026-11-01"))
    assert "│ input │ claude-sonnet-5-5 │ 1,000 │ 2 / MTok │ 0.002 │" in said
    assert "│ total │ │ │ │ 0.003 │" in said


def test_prices_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the option, or by the environment."""
    (tmp_path / "prices.toml").write_text('multiply = "2"\n')
    price = ("price", "--model", "claude-sonnet-5-5", "--usage", USAGE, "--at", "2026-11-01")
    assert answer(*price, "--prices", str(tmp_path / "prices.toml"))["nano_usd"] == 6_000_000
    monkeypatch.setenv("BURSAR_PRICES", str(tmp_path / "prices.toml"))
    assert answer(*price)["nano_usd"] == 6_000_000


def test_an_unknown_price_is_a_no() -> None:
    """Null, not zero, and exit code 1."""
    assert answer("price", "--model", "claude-none", "--usage", USAGE, code=1)["nano_usd"] is None
    assert bursar("price", "--model", "claude-none", "--usage", USAGE).exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--usage", "{"), "bursar: --usage is no JSON"),
        (("--usage", '{"tokens": 3}'), "bursar: --usage: tokens is no key of Anthropic's usage object"),
        (("--usage", USAGE, "--at", "today"), "'today' does not match the format"),
        (("--usage", USAGE, "--prices", "none.toml"), "'none.toml' does not exist"),
        ((), "Missing option '--usage'"),
    ],
)
def test_a_price_asked_for_wrongly(arguments: tuple[str, ...], said: str) -> None:
    """Exit code 2 and a sentence."""
    assert said in complaint("price", "--model", "claude-sonnet-5-5", *arguments, code=2)
