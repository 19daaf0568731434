"""Claims about the sandbox's own arithmetic."""

import pytest

from bursar.agent.sandbox.bill import Bill, Usage, key_label, nano_usd
from bursar.agent.sandbox.tables import MODELS


def usage(
    prompt: int = 0,
    output: int = 0,
    *,
    write_5m: int = 0,
    write_1h: int = 0,
    read: int = 0,
    speed: str = "standard",
    geo: str = "global",
    tier: str = "standard",
) -> Usage:
    return Usage(prompt, write_5m, write_1h, read, output, speed, geo, tier)


@pytest.mark.parametrize(
    ("model", "used", "nano"),
    [
        ("claude-sonnet-5-5", usage(1_000, 500), 1_000 * 2_000 + 500 * 10_000),
        (
            "claude-sonnet-5-5",
            usage(10, 5, write_5m=100, write_1h=200, read=1_000),
            10 * 2_000 + 100 * 2_500 + 200 * 4_000 + 1_000 * 100 + 5 * 10_000,
        ),
        ("claude-haiku-5-5", usage(100_000, 10), 100_000 * 100 + 10 * 500),
        ("claude-haiku-5-5", usage(100_001, 10), 100_001 * 500 + 10 * 2_500),
        ("claude-haiku-5-5", usage(1, 10, read=100_000), 500 + 100_000 * 50 + 10 * 2_500),
        ("claude-haiku-5-5", usage(1, write_5m=100_000), 500 + 100_000 * 625),
        ("claude-haiku-5-5", usage(1, write_1h=100_000), 500 + 100_000 * 1_000),
        ("claude-opus-5-5", usage(100, 10, speed="fast"), 100 * 8_000 + 10 * 40_000),
        ("claude-opus-5-5", usage(100, 10, geo="us"), 100 * 4_400 + 10 * 22_000),
        ("claude-opus-5-5", usage(100, 10, speed="fast", geo="us"), 100 * 8_800 + 10 * 44_000),
        ("claude-opus-5-5", usage(100, 10, tier="batch"), 100 * 2_000 + 10 * 10_000),
        ("claude-opus-5-5", usage(100, read=10, geo="us", tier="batch"), 100 * 2_200 + 10 * 110),
        ("claude-opus-5-5", usage(), 0),
    ],
)
def test_price_of_a_request(model: str, used: Usage, nano: int) -> None:
    """Each class at its own price; the length tier by the whole prompt; modifiers on everything."""
    assert nano_usd(MODELS[model], used) == nano


@pytest.mark.parametrize(("tokens", "nano"), [(1, 138), (3, 412), (2, 275)])
def test_rounding(tokens: int, nano: int) -> None:
    """137.5 nano-dollars round to 138, 412.5 to 412: half to even, once for the request."""
    assert nano_usd(MODELS["claude-haiku-5-5"], usage(write_5m=tokens, geo="us")) == nano


def test_totals() -> None:
    """A line may be amended; the bill holds its last figure, by model and by key."""
    bill = Bill()
    sonnet, opus = MODELS["claude-sonnet-5-5"], MODELS["claude-opus-5-5"]
    first = bill.open(sonnet, "key_a")
    first.amend(usage(100))
    first.amend(usage(100, 10))
    bill.open(opus, "key_a").amend(usage(1))
    bill.open(sonnet, "key_b").amend(usage(1))
    assert bill.totals() == {
        "nano_usd": 300_000 + 4_000 + 2_000,
        "requests": 3,
        "by_model": {"claude-sonnet-5-5": 302_000, "claude-opus-5-5": 4_000},
        "by_key": {"key_a": 304_000, "key_b": 2_000},
    }


def test_what_is_due_is_booked_before_totals() -> None:
    """Whoever reads the bill sees what has come due by then."""
    bill = Bill(lambda: bill.add(MODELS["claude-sonnet-5-5"], "key_a", 7))
    assert [bill.totals()["nano_usd"], bill.totals()["nano_usd"]] == [7, 14]


def test_key_label_hides_the_key() -> None:
    """A label is stable, differs between keys, and holds nothing of the key."""
    assert key_label("sk-ant-1") == key_label("sk-ant-1") != key_label("sk-ant-2")
    assert "ant" not in key_label("sk-ant-1")
