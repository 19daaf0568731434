"""A model that the price book lacks is estimated by the genai-prices that the development environment has."""

from __future__ import annotations

from datetime import date

from bursar.instrumentation.fallback import estimator

DAY = date(2026, 11, 22)


def test_a_model_of_the_other_book_is_known_then() -> None:
    """The real package, which the development environment has."""
    estimate = estimator()
    assert estimate is not None
    estimate("claude-3-sonnet-20240229", DAY)
    estimate._loading.join(30)  # type: ignore[union-attr]  # pyright: ignore[reportPrivateUsage, reportOptionalMemberAccess]
    assert estimate("no-such-model", DAY) is None
    found = estimate("claude-3-opus", DAY)
    assert found is not None
    assert found.rows[0].rates.input == 15_000_000, "15 USD a million tokens"
