"""Claims about the prices of an installed genai-prices, which are a fallback and never more than an estimate."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import date
from types import ModuleType, SimpleNamespace
from typing import Any

import genai_prices
import pytest

from bursar.policies.book import Rates
from bursar.policies.prices import price, shipped_book
from bursar.policies.shipped import genai
from bursar.policies.usage import Part, Usage, UsageReport

TODAY = date(2026, 11, 22)
VERSION = genai_prices.__version__


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """Each test asks anew."""
    yield
    genai.look_up.cache_clear()
    genai._installed.cache_clear()  # pyright: ignore[reportPrivateUsage]


def installed(monkeypatch: pytest.MonkeyPatch, calc_price: Any) -> None:
    """A genai-prices that answers so."""
    fake = ModuleType("genai_prices")
    fake.__dict__.update(calc_price=calc_price, Usage=lambda: None, __version__="9.9")
    monkeypatch.setitem(sys.modules, "genai_prices", fake)


def test_a_model_of_theirs_has_its_row() -> None:
    """Claude 3 Sonnet, which our book does not have: 3, 0.30, 3.75, 6 and 15 USD per million tokens."""
    found = genai.look_up("claude-3-sonnet", TODAY)
    assert found is not None
    (row,) = found.rows
    assert row.rates == Rates(3_000_000, 300_000, 3_750_000, 6_000_000, 15_000_000)
    assert (row.id, row.source) == (f"claude-3-sonnet/genai-prices-{VERSION}", f"genai-prices {VERSION}")


def test_length_tiers_are_rows() -> None:
    """Haiku 5.5 by their book: 0.10 and 0.50, beyond 100,000 tokens 0.50 and 2.50."""
    found = genai.look_up("claude-haiku-5-5", TODAY)
    assert found is not None
    assert [(row.above, row.rates.input, row.rates.output) for row in found.rows] == [
        (0, 100_000, 500_000),
        (100_000, 500_000, 2_500_000),
    ]
    assert found.rows[1].id == f"claude-haiku-5-5/genai-prices-{VERSION}>100000"


@pytest.mark.parametrize("name", ["claude-opus-9", "claude-2.1", "gpt-5", "", "claude-3-sonnet-next"])
def test_no_price_is_taken_from_a_model_of_another_name(name: str) -> None:
    """They match some by what a name begins with; such a price is no estimate of this model's."""
    assert genai.look_up(name, TODAY) is None


def test_without_genai_prices_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is optional, and its absence is no error."""
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    assert genai.look_up("claude-3-sonnet", TODAY) is None


def test_no_failure_of_theirs_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a version to come raises or leaves out, there is no estimate, and no exception."""

    def broken(*_: object, **__: object) -> object:
        raise RuntimeError("theirs")

    installed(monkeypatch, broken)
    assert genai.look_up("claude-next", TODAY) is None


def test_a_class_without_a_price_makes_no_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a token written to the cache costs is not made up."""
    columns = SimpleNamespace(
        input_mtok=1, output_mtok=2, cache_read_mtok=None, cache_write_mtok=1, cache_write_1h_mtok=1
    )

    def answer(*_: object, **__: object) -> object:
        return SimpleNamespace(model=SimpleNamespace(id="claude-next"), model_price=columns)

    installed(monkeypatch, answer)
    assert genai.look_up("claude-next", TODAY) is None


def test_a_charge_by_it_is_an_estimate() -> None:
    """A million tokens in at 3 USD, a tenth more in a region; and the book says whose price that is."""
    book = shipped_book().with_fallback(genai.look_up)
    usage = Usage(input=1_000_000)
    report = UsageReport(usage, (Part(usage),))
    quote = price(report, model="eu.anthropic.claude-3-sonnet-20240229-v1:0", at=TODAY, book=book)
    assert (quote.cost_nano_usd, quote.estimated, quote.modifiers) == (3_300_000_000, True, ("regional",))
    assert quote.missing == (
        f'no price for model "claude-3-sonnet" in {book.source}: estimated by genai-prices {VERSION}',
    )
