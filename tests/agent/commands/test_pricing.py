from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bursar.agent.commands.pricing import explain, load_book, render
from bursar.policies.prices import ModelPrices, PriceBookError, PriceRow, Rates, shipped_book

TODAY = date(2026, 11, 22)
USAGE: dict[str, Any] = {
    "input_tokens": 1_000,
    "cache_read_input_tokens": 10_000,
    "output_tokens": 500,
    "server_tool_use": {"web_search_requests": 2},
}


def shown(explanation: dict[str, Any]) -> str:
    console = Console(width=160, record=True, file=None, force_terminal=False)
    with console.capture() as capture:
        console.print(render(explanation))
    return capture.get()


def test_an_explanation_has_every_line() -> None:
    """Opus 5.5 in a batch: 1,000 at 2, 10,000 at 0.10, 500 at 10 USD/MTok, and two searches: 0.028 dollars."""
    explanation = explain("claude-opus-5-5", USAGE, TODAY, True, shipped_book())
    row = {"model": "claude-opus-5-5", "price_id": "claude-opus-5-5@launch", "usd_per_1000": None}
    assert explanation == {
        "model": "claude-opus-5-5",
        "price_id": "claude-opus-5-5@launch",
        "nano_usd": 28_000_000,
        "basis": "usage",
        "modifiers": ["batch"],
        "missing": [],
        "lines": [
            {**row, "label": "input", "quantity": 1_000, "usd_per_mtok": "2", "nano_usd": 2_000_000},
            {**row, "label": "cache_read", "quantity": 10_000, "usd_per_mtok": "0.1", "nano_usd": 1_000_000},
            {**row, "label": "output", "quantity": 500, "usd_per_mtok": "10", "nano_usd": 5_000_000},
            {
                **row,
                "label": "web_search",
                "quantity": 2,
                "usd_per_mtok": None,
                "usd_per_1000": "10",
                "nano_usd": 20_000_000,
            },
        ],
    }
    assert json.loads(json.dumps(explanation)) == explanation


@pytest.mark.parametrize(
    ("model", "usage", "usd"),
    [
        ("us.anthropic.claude-haiku-5-5", {"cache_read_input_tokens": 1}, "0.0055"),
        ("claude-haiku-5-5", {"cache_creation_input_tokens": 1}, "0.0625"),
        ("claude-opus-4-1", {"output_tokens": 1}, "37.5"),
        ("claude-fable-5", {"cache_creation": {"ephemeral_1h_input_tokens": 1}}, "10"),
    ],
)
def test_prices_are_plain_decimals(model: str, usage: dict[str, int], usd: str) -> None:
    """Half of the list price, without exponent or trailing zeros."""
    assert [line["usd_per_mtok"] for line in explain(model, usage, TODAY, True, shipped_book())["lines"]] == [usd]


def test_an_unknown_model_is_explained_as_unknown() -> None:
    """No figure, and what to do."""
    explanation = explain("claude-opus-9", USAGE, TODAY, False, shipped_book())
    assert (explanation["nano_usd"], explanation["basis"], explanation["lines"]) == (None, "unknown", [])
    assert explanation["missing"] == [
        'no price for model "claude-opus-9": add a [[model]] entry for it to the price file'
    ]


def elsewhere(name: str, day: date) -> ModelPrices | None:
    """Another book, in which a token of any model costs 3 USD per million."""
    return ModelPrices(name, (PriceRow(f"{name}/theirs", date.min, 0, Rates(*[3_000_000] * 5), "theirs"),))


def test_a_price_of_another_book_is_explained_as_an_estimate() -> None:
    """11,500 tokens at 3 USD per million and two searches: a figure, whose basis says what it is worth."""
    explanation = explain("claude-opus-9", USAGE, TODAY, False, shipped_book().with_fallback(elsewhere))
    assert (explanation["nano_usd"], explanation["basis"]) == (54_500_000, "estimate")
    assert explanation["price_id"] == "claude-opus-9/theirs"
    assert len(explanation["lines"]) == 4


def test_the_table_shows_lines_total_and_notes() -> None:
    """What stands in the explanation stands on the terminal."""
    text = shown(explain("claude-opus-5-5", USAGE, TODAY, True, shipped_book()))
    assert "claude-opus-5-5 at claude-opus-5-5@launch" in text
    for row in (
        ["input", "claude-opus-5-5", "1,000", "2 / MTok", "0.002"],
        ["cache_read", "claude-opus-5-5", "10,000", "0.1 / MTok", "0.001"],
        ["output", "claude-opus-5-5", "500", "10 / MTok", "0.005"],
        ["web_search", "claude-opus-5-5", "2", "10 / 1,000", "0.02"],
        ["total", "", "", "", "0.028"],
    ):
        assert row in [[cell.strip() for cell in line.strip("│┃").split("│")] for line in text.splitlines()]
    assert "modifier: batch" in text


def test_the_table_of_an_unknown_price_says_so() -> None:
    """Never 0.00; and a model's name is shown as it is, brackets too."""
    text = shown(explain("claude-opus-9[bold]", USAGE, TODAY, False, shipped_book()))
    assert "claude-opus-9[bold] at no price" in text
    assert "unknown" in text
    assert "0.00" not in text
    assert "add a [[model]] entry" in " ".join(text.split())


def test_without_a_file_the_shipped_book_is_used() -> None:
    """No file, no copy."""
    assert load_book(None) is shipped_book()


def test_a_users_file_goes_on_top(tmp_path: Path) -> None:
    """A discount of the user's is on the price, and said."""
    file = tmp_path / "prices.toml"
    file.write_text('multiply = "0.85"\n', encoding="utf-8")
    explanation = explain("claude-opus-5-5", {"output_tokens": 1_000_000}, TODAY, False, load_book(file))
    assert (explanation["nano_usd"], explanation["modifiers"]) == (17 * 10**9, ["multiply:0.85"])


def test_a_users_rows_name_the_users_file(tmp_path: Path) -> None:
    """Even when it has the name of our own."""
    file = tmp_path / "prices.toml"
    file.write_text(
        '[[model]]\nid = "mine"\ninput = 1\ncache_read = 1\ncache_write_5m = 1\ncache_write_1h = 1\noutput = 1\n',
        encoding="utf-8",
    )
    assert explain("mine", {"input_tokens": 1}, TODAY, False, load_book(file))["price_id"] == "mine@launch/prices.toml"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "cannot be read: "),
        (b"\xff\xfe", "cannot be read: "),
        (b"multiply = ", "is not valid TOML: "),
        (b"multiply = 0", "multiply: 0 is not above zero"),
        (b'[[model]]\nid = "mine"\nmultiply = 2', 'model "mine" has no prices'),
    ],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, content: bytes | None, told: str) -> None:
    """The error begins with the file's path, and says what to do after a semicolon."""
    file = tmp_path / "mine.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(PriceBookError) as caught:
        load_book(file)
    message = str(caught.value)
    assert message.startswith(f"{file}: {told}")
    assert "; " in message
