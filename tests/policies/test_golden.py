"""What does everything cost, worked out by hand from the published tables?"""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from typing import Any

import pytest

from bursar.policies.prices import price, shipped_book
from bursar.policies.usage import Part, Usage, UsageReport

# MIXED is 10,000 uncached, 100,000 read, 4,000 written for 5 minutes and 2,000 for an hour, 1,000 out. At USD per
# million tokens it costs input x 0.01 + read x 0.1 + 5m x 0.004 + 1h x 0.002 + output x 0.001; on Fable 5.2 that is
# 0.08 + 0.02 + 0.04 + 0.032 + 0.04 = 0.212. SHORT reads only 80,000, which keeps Haiku 5.5 in its lower tier.
MIXED = Usage(input=10_000, cache_read=100_000, cache_write_5m=4_000, cache_write_1h=2_000, output=1_000)
SHORT = Usage(input=10_000, cache_read=80_000, cache_write_5m=4_000, cache_write_1h=2_000, output=1_000)

# Model; at list price; in a batch (a half); in fast mode (twice); with `inference_geo = "us"` (a tenth more); on a
# cloud's regional endpoint (a tenth more). "-": there is no such price, and the list price holds.
GOLDEN = """
claude-fable-5-2            0.212    0.106     0.424   0.2332   0.2332
claude-mythos-5-2           0.212    0.106     0.424   0.2332   0.2332
claude-fable-5-1            0.265    0.1325    -       0.2915   0.2915
claude-mythos-5-1           0.265    0.1325    -       0.2915   0.2915
claude-fable-5              0.34     0.17      -       0.374    0.374
claude-mythos-5             0.34     0.17      -       0.374    0.374
claude-opus-5-5             0.116    0.058     0.232   0.1276   0.1276
claude-opus-5               0.17     0.085     0.34    0.187    0.187
claude-opus-4-8             0.17     0.085     0.34    0.187    0.187
claude-opus-4-7             0.17     0.085     -       0.187    0.187
claude-opus-4-6             0.17     0.085     -       0.187    0.187
claude-opus-4-5-20251101    0.17     0.085     -       -        0.187
claude-opus-4-1-20250805    0.51     0.255     -       -        -
claude-opus-4-20250514      0.51     0.255     -       -        -
claude-3-opus-20240229      0.51     0.255     -       -        -
claude-sonnet-5-5           0.058    0.029     -       0.0638   0.0638
claude-sonnet-5             0.068    0.034     -       0.0748   0.0748
claude-sonnet-4-6           0.102    0.051     -       0.1122   0.1122
claude-sonnet-4-5-20250929  0.102    0.051     -       -        0.1122
claude-sonnet-4-20250514    0.102    0.051     -       -        -
claude-3-7-sonnet-20250219  0.102    0.051     -       -        -
claude-3-5-sonnet-20241022  0.102    0.051     -       -        -
claude-haiku-5-5            0.017    0.0085    -       0.0187   0.0187
claude-haiku-4-5-20251001   0.034    0.017     -       -        0.0374
claude-3-5-haiku-20241022   0.0272   0.0136    -       -        -
claude-3-haiku-20240307     0.00895  0.004475  -       -        -
"""
TERMS: dict[str, dict[str, Any]] = {
    "list": {},
    "batch": {"service_tier": "batch"},
    "fast": {"speed": "fast"},
    "us": {"inference_geo": "us"},
    "eu": {"region": "eu"},
}
ROWS = [line.split() for line in GOLDEN.splitlines() if line]
CELLS = [
    (row[0], terms, row[1] if usd == "-" else usd) for row in ROWS for terms, usd in zip(TERMS, row[1:], strict=True)
]


def cost(usage: Usage, model: str, *, day: str = "2026-11-22", region: str | None = None, **told: str) -> int | None:
    report = UsageReport(usage, (Part(usage),), **told)  # type: ignore[arg-type]
    quote = price(report, model=model, at=date.fromisoformat(day), book=shipped_book(), region=region)
    return quote.cost_nano_usd


def nano(usd: str) -> Fraction:
    return Fraction(usd) * 10**9


@pytest.mark.parametrize(("model", "terms", "usd"), CELLS, ids=lambda value: str(value))
def test_every_model_under_every_modifier(model: str, terms: str, usd: str) -> None:
    """130 figures, to the nano-dollar."""
    assert cost(MIXED, model, **TERMS[terms]) == nano(usd)


def test_the_table_has_every_model() -> None:
    """A model that is added to the book is worked out here too."""
    assert {row[0] for row in ROWS} == {model.id for model in shipped_book().models}


@pytest.mark.parametrize(
    ("model", "day", "usage", "terms", "usd"),
    [
        # Haiku 5.5 below its mark: 0.001 + 0.0008 + 0.0005 + 0.0004 + 0.0005.
        ("claude-haiku-5-5", "2026-11-22", SHORT, {}, "0.0032"),
        ("claude-haiku-5-5", "2026-11-22", SHORT, {"service_tier": "batch"}, "0.0016"),
        ("claude-haiku-5-5", "2026-11-22", SHORT, {"inference_geo": "us"}, "0.00352"),
        # Sonnet 5.5 read 0.20 until 2026-10-06: 0.02 + 0.02 + 0.01 + 0.008 + 0.01.
        ("claude-sonnet-5-5", "2026-10-06", MIXED, {}, "0.068"),
        ("claude-sonnet-5-5", "2026-10-07", MIXED, {}, "0.058"),
        # Beyond 200,000 tokens, Opus 4.6 was 10 in and 37.50 out until 2026-03-12: 2.00001 + 0.0375.
        ("claude-opus-4-6", "2026-03-12", Usage(input=200_001, output=1_000), {}, "2.03751"),
        ("claude-opus-4-6", "2026-03-12", Usage(input=200_000, output=1_000), {}, "1.025"),
        ("claude-opus-4-6", "2026-03-13", Usage(input=200_001, output=1_000), {}, "1.025005"),
        # Sonnet 4.6, 4.5 and 4 were 6 in and 22.50 out: 1.200006 + 0.0225.
        ("claude-sonnet-4-6", "2026-03-12", Usage(input=200_001, output=1_000), {}, "1.222506"),
        ("claude-sonnet-4-5", "2026-04-29", Usage(input=200_001, output=1_000), {}, "1.222506"),
        ("claude-sonnet-4-0", "2026-04-29", Usage(input=200_001, output=1_000), {}, "1.222506"),
        ("claude-sonnet-4-5", "2026-04-30", Usage(input=200_001, output=1_000), {}, "0.615003"),
        # Opus 4.8 loses fast mode on 2026-11-30.
        ("claude-opus-4-8", "2026-11-29", MIXED, {"speed": "fast"}, "0.34"),
        ("claude-opus-4-8", "2026-11-30", MIXED, {"speed": "fast"}, "0.17"),
        # Modifiers multiply: 2 x 1.1, 0.5 x 1.1; GovCloud is 1.2.
        ("claude-opus-5-5", "2026-11-22", MIXED, {"speed": "fast", "inference_geo": "us"}, "0.2552"),
        ("claude-sonnet-5-5", "2026-11-22", MIXED, {"service_tier": "batch", "inference_geo": "us"}, "0.0319"),
        ("claude-sonnet-5-5", "2026-11-22", MIXED, {"service_tier": "batch", "region": "jp"}, "0.0319"),
        ("claude-opus-5-5", "2026-11-22", MIXED, {"region": "us-gov"}, "0.1392"),
        ("claude-haiku-4-5", "2026-11-22", MIXED, {"region": "us-gov-west-1"}, "0.0408"),
        ("claude-sonnet-4-5", "2026-11-22", MIXED, {"region": "us-gov", "service_tier": "batch"}, "0.0612"),
        ("claude-opus-5-5", "2026-11-22", MIXED, {"region": "global"}, "0.116"),
        ("claude-opus-5-5", "2026-11-22", MIXED, {"region": "eu", "inference_geo": "us"}, "0.1276"),
        # A search is a cent, in a batch, in fast mode and in a region too.
        ("claude-opus-5-5", "2026-11-22", Usage(web_searches=3), {}, "0.03"),
        ("claude-opus-5-5", "2026-11-22", Usage(web_searches=3), {"service_tier": "batch"}, "0.03"),
        ("claude-opus-5-5", "2026-11-22", Usage(web_searches=3), {"speed": "fast", "region": "eu"}, "0.03"),
        ("claude-opus-5-5", "2026-11-22", Usage(output=1_000, web_searches=1, web_fetches=9), {}, "0.03"),
        # Priority Tier is shown at list price.
        ("claude-opus-5-5", "2026-11-22", MIXED, {"service_tier": "priority"}, "0.116"),
    ],
)
def test_days_lengths_and_combinations(model: str, day: str, usage: Usage, terms: dict[str, str], usd: str) -> None:
    """Dated rows on both sides of their day, tiers on both sides of their mark, and modifiers together."""
    assert cost(usage, model, day=day, **terms) == nano(usd)


@pytest.mark.parametrize(
    ("calls", "usage", "model", "terms", "usd"),
    [
        # 500 prompts of 2,500 uncached tokens on Haiku 3.5: 1.25 MTok at 0.80.
        (500, Usage(input=2_500), "claude-3-5-haiku-20241022", {}, "1.00"),
        # 10,000 x 300/50: 3 MTok in, 0.5 MTok out.
        (10_000, Usage(input=300, output=50), "claude-3-5-haiku-20241022", {}, "4.40"),
        (10_000, Usage(input=300, output=50), "claude-3-5-haiku-20241022", {"service_tier": "batch"}, "2.20"),
        (10_000, Usage(input=300, output=50), "claude-haiku-4-5", {}, "5.50"),
        (10_000, Usage(input=300, output=50), "claude-haiku-5-5", {"service_tier": "batch"}, "0.275"),
        (10_000, Usage(input=300, output=50), "claude-sonnet-5-5", {}, "11.00"),
        # 5,000 x 1,500/400: 7.5 MTok in, 2 MTok out.
        (5_000, Usage(input=1_500, output=400), "claude-3-7-sonnet-20250219", {}, "52.50"),
        (5_000, Usage(input=1_500, output=400), "claude-3-5-haiku-20241022", {}, "14.00"),
        (5_000, Usage(input=1_500, output=400), "claude-haiku-5-5", {}, "1.75"),
        (5_000, Usage(input=1_500, output=400), "claude-haiku-4-5", {"service_tier": "batch"}, "8.75"),
    ],
)
def test_a_days_work(calls: int, usage: Usage, model: str, terms: dict[str, str], usd: str) -> None:
    """Many small calls, each rounded by itself, come to what the whole does: list prices leave nothing to round."""
    each = cost(usage, model, **terms)
    assert each is not None
    assert each * calls == nano(usd)
