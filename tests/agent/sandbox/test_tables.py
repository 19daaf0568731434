"""Claims about the sandbox's models and prices."""

import pytest

from bursar.agent.sandbox.tables import MODELS, Fast, Prices, find_model


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("claude-haiku-5-5", Prices(100_000, 125_000, 200_000, 10_000, 500_000)),
        ("claude-sonnet-5-5", Prices(2_000_000, 2_500_000, 4_000_000, 100_000, 10_000_000)),
        ("claude-sonnet-5", Prices(2_000_000, 2_500_000, 4_000_000, 200_000, 10_000_000)),
        ("claude-opus-5-5", Prices(4_000_000, 5_000_000, 8_000_000, 200_000, 20_000_000)),
        ("claude-opus-5", Prices(5_000_000, 6_250_000, 10_000_000, 500_000, 25_000_000)),
        ("claude-fable-5-1", Prices(10_000_000, 12_500_000, 20_000_000, 250_000, 50_000_000)),
        ("claude-fable-5", Prices(10_000_000, 12_500_000, 20_000_000, 1_000_000, 50_000_000)),
        ("claude-haiku-4-5", Prices(1_000_000, 1_250_000, 2_000_000, 100_000, 5_000_000)),
        ("claude-3-haiku-20240307", Prices(250_000, 300_000, 500_000, 30_000, 1_250_000)),
    ],
)
def test_prices_in_pico_dollars(name: str, expected: Prices) -> None:
    """A dollar a million tokens is a million pico-dollars a token."""
    model = find_model(name)
    assert model is not None
    assert model.prices == expected


def test_write_prices_follow_the_input_price() -> None:
    """A 5-minute write is 1.25 times input and a 1-hour write twice, except for Claude 3 Haiku's rounded 0.30."""
    odd = [
        model.id
        for model in MODELS.values()
        for row in (model.prices, model.long_prices)
        if (row.write_5m * 4, row.write_1h) != (row.input * 5, row.input * 2)
    ]
    assert odd == ["claude-3-haiku-20240307"] * 2


@pytest.mark.parametrize(("tokens", "input_price"), [(100_000, 100_000), (100_001, 500_000)])
def test_haiku_length_tier(tokens: int, input_price: int) -> None:
    """Exactly 100,000 tokens are still charged at the low tier."""
    assert MODELS["claude-haiku-5-5"].prices_for(tokens).input == input_price


def test_other_models_have_no_length_tier() -> None:
    """A prompt that fills the window costs Sonnet's one price."""
    assert MODELS["claude-sonnet-5-5"].prices_for(1_000_000).input == 2_000_000


@pytest.mark.parametrize(
    ("name", "resolved"),
    [
        ("claude-haiku-4-5", "claude-haiku-4-5-20251001"),
        ("claude-opus-4-0", "claude-opus-4-20250514"),
        ("claude-3-7-sonnet-latest", "claude-3-7-sonnet-20250219"),
        ("claude-opus-5-5", "claude-opus-5-5"),
    ],
)
def test_aliases(name: str, resolved: str) -> None:
    """An alias leads to its dated id; a dateless id is its own."""
    model = find_model(name)
    assert model is not None
    assert model.id == resolved


@pytest.mark.parametrize("name", ["claude-opus-5-6", "claude-opus", "claude-mythos-preview", "gpt-4o", ""])
def test_unknown_models(name: str) -> None:
    """No model is found by prefix."""
    assert find_model(name) is None


@pytest.mark.parametrize(
    ("name", "min_cache", "context", "max_output", "us_geo", "fast"),
    [
        ("claude-opus-5-5", 512, 1_000_000, 128_000, True, Fast.SERVED),
        ("claude-opus-4-8", 1_024, 1_000_000, 128_000, True, Fast.SERVED),
        ("claude-opus-4-7", 2_048, 1_000_000, 128_000, True, Fast.REFUSED),
        ("claude-opus-4-6", 4_096, 1_000_000, 128_000, True, Fast.IGNORED),
        ("claude-haiku-4-5", 4_096, 200_000, 64_000, False, Fast.REFUSED),
        ("claude-3-5-haiku-latest", 2_048, 200_000, 8_192, False, Fast.REFUSED),
    ],
)
def test_limits(name: str, min_cache: int, context: int, max_output: int, us_geo: bool, fast: Fast) -> None:
    """Cache minimum, window, longest output and modifiers, model by model."""
    model = find_model(name)
    assert model is not None
    found = (model.min_cache, model.context, model.max_output, model.us_geo, model.fast)
    assert found == (min_cache, context, max_output, us_geo, fast)
