from __future__ import annotations

from datetime import date
from fractions import Fraction

import pytest

from bursar.policies.pricefile import shipped_book
from bursar.policies.shipped import read

TODAY = date(2026, 11, 22)

# US dollars per million tokens: input, 5-minute write, 1-hour write, cache read, output; shortest cacheable prefix,
# context window, longest output.
LIST = """
claude-fable-5-2            8      10    16   0.20  40       -  1000000 128000
claude-mythos-5-2           8      10    16   0.20  40       -  1000000 128000
claude-fable-5-1           10    12.5    20   0.25  50     512  1000000 128000
claude-mythos-5-1          10    12.5    20   0.25  50     512  1000000 128000
claude-fable-5             10    12.5    20   1.00  50     512  1000000 128000
claude-mythos-5            10    12.5    20   1.00  50     512  1000000 128000
claude-opus-5-5             4       5     8   0.20  20     512  1000000 128000
claude-opus-5               5    6.25    10   0.50  25     512  1000000 128000
claude-opus-4-8             5    6.25    10   0.50  25    1024  1000000 128000
claude-opus-4-7             5    6.25    10   0.50  25    2048  1000000 128000
claude-opus-4-6             5    6.25    10   0.50  25    4096  1000000 128000
claude-opus-4-5-20251101    5    6.25    10   0.50  25    4096   200000  64000
claude-opus-4-1-20250805   15   18.75    30   1.50  75    1024   200000  32000
claude-opus-4-20250514     15   18.75    30   1.50  75    1024   200000  32000
claude-3-opus-20240229     15   18.75    30   1.50  75    1024   200000   4096
claude-sonnet-5-5           2     2.5     4   0.10  10     512  1000000 128000
claude-sonnet-5             2     2.5     4   0.20  10    1024  1000000 128000
claude-sonnet-4-6           3    3.75     6   0.30  15    1024  1000000 128000
claude-sonnet-4-5-20250929  3    3.75     6   0.30  15    1024   200000  64000
claude-sonnet-4-20250514    3    3.75     6   0.30  15    1024   200000  64000
claude-3-7-sonnet-20250219  3    3.75     6   0.30  15    1024   200000  64000
claude-3-5-sonnet-20241022  3    3.75     6   0.30  15    1024   200000   8192
claude-haiku-5-5         0.10   0.125  0.20   0.01  0.50   512  1000000 128000
claude-haiku-4-5-20251001   1    1.25     2   0.10   5    4096   200000  64000
claude-3-5-haiku-20241022 0.80   1.00  1.60   0.08   4    2048   200000   8192
claude-3-haiku-20240307  0.25    0.30  0.50   0.03  1.25  2048   200000   4096
"""
ROWS = [line.split() for line in LIST.split("\n") if line]
IDS = {row[0] for row in ROWS}

GEO = {
    *("claude-fable-5-2", "claude-mythos-5-2", "claude-fable-5-1", "claude-mythos-5-1", "claude-fable-5"),
    *("claude-mythos-5", "claude-opus-5-5", "claude-opus-5", "claude-opus-4-8", "claude-opus-4-7", "claude-opus-4-6"),
    *("claude-sonnet-5-5", "claude-sonnet-5", "claude-sonnet-4-6", "claude-haiku-5-5"),
}
REGIONAL = GEO | {"claude-opus-4-5-20251101", "claude-sonnet-4-5-20250929", "claude-haiku-4-5-20251001"}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_todays_list_price_and_limits(row: list[str]) -> None:
    """Each model's price and limits are those of the published tables."""
    model = shipped_book().find(row[0])
    assert model is not None
    found = model.row(TODAY)
    assert found is not None
    rates = found.rates
    shown = (rates.input, rates.cache_write_5m, rates.cache_write_1h, rates.cache_read, rates.output)
    assert shown == tuple(int(Fraction(usd) * 1_000_000) for usd in row[1:6])
    minimum = None if row[6] == "-" else int(row[6])
    assert (model.min_cacheable_tokens, model.context_window, model.max_output) == (minimum, int(row[7]), int(row[8]))


def test_every_priced_model_is_in_the_table() -> None:
    """A model added to the book is added here too; Mythos preview, whose price nobody knows, stays out of both."""
    assert {model.id for model in shipped_book().models} == IDS
    assert shipped_book().find("claude-mythos-preview") is None


def test_which_modifiers_apply_to_which_models() -> None:
    """Geography from 4.6 on, cloud regions from 4.5 on, fast mode where it is sold."""
    models = shipped_book().models
    assert {model.id for model in models if model.geo} == GEO
    assert {model.id for model in models if model.regional} == REGIONAL
    assert {model.id: model.fast_removed for model in models if model.fast} == {
        "claude-fable-5-2": None,
        "claude-mythos-5-2": None,
        "claude-opus-5-5": None,
        "claude-opus-5": None,
        "claude-opus-4-8": date(2026, 11, 30),
    }


def test_factors_and_fee() -> None:
    """Batch halves, fast doubles, places cost a tenth or a fifth more, and a search costs a cent."""
    book = shipped_book()
    assert dict(book.modifiers) == {
        "batch": Fraction(1, 2),
        "fast": 2,
        "geo:us": Fraction(11, 10),
        "regional": Fraction(11, 10),
        "us-gov": Fraction(6, 5),
    }
    assert book.web_search_pico == 10**10
    assert book.as_of == TODAY


def test_the_newer_tokenizer_began_with_4_7() -> None:
    """4.6 and earlier count with the old one."""
    old = {model.id for model in shipped_book().models if model.tokenizer == "old"}
    assert old == IDS - (GEO - {"claude-opus-4-6", "claude-sonnet-4-6"})


@pytest.mark.parametrize(
    ("model_id", "day"),
    [
        ("claude-opus-4-1", date(2026, 8, 5)),
        ("claude-opus-4-0", date(2026, 6, 15)),
        ("claude-sonnet-4-5", date(2026, 11, 30)),
        ("claude-sonnet-4-0", date(2026, 6, 15)),
        ("claude-3-7-sonnet-latest", date(2026, 2, 19)),
        ("claude-3-5-sonnet-20240620", date(2025, 10, 28)),
        ("claude-3-5-haiku-latest", date(2026, 2, 19)),
        ("claude-3-haiku-20240307", date(2026, 4, 20)),
        ("claude-opus-4-5", None),
        ("claude-haiku-5-5", None),
    ],
)
def test_retirements(model_id: str, day: date | None) -> None:
    """The day of retirement is known where Anthropic named one."""
    model = shipped_book().find(model_id)
    assert model is not None
    assert model.retirement == day


@pytest.mark.parametrize(
    ("model_id", "family", "generation", "status"),
    [
        ("claude-opus-5-5", "opus", "5.5", "active"),
        ("claude-fable-5-1", "fable", "5.1", "legacy"),
        ("claude-mythos-5", "mythos", "5", "limited"),
        ("claude-sonnet-4-5", "sonnet", "4.5", "deprecated"),
        ("claude-sonnet-4-0", "sonnet", "4", "retired"),
        ("claude-3-5-haiku-latest", "haiku", "3.5", "retired"),
    ],
)
def test_family_generation_and_status(model_id: str, family: str, generation: str, status: str) -> None:
    """The words that advice and plans go by."""
    model = shipped_book().find(model_id)
    assert model is not None
    assert (model.family, model.generation, model.status) == (family, generation, status)


def test_each_price_has_a_source() -> None:
    """No price stands on nothing."""
    assert all(model.sources and row.source for model in shipped_book().models for row in model.rows)


def test_line_one_says_how_the_file_came_about() -> None:
    """Data says on line 1 where it is from."""
    assert read("prices.toml").splitlines()[0].startswith("# Source: Claude price facts as of 2026-11-22")
