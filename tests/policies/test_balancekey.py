"""Balance keys: what names a balance, and in what it counts."""

from __future__ import annotations

from itertools import product

import pytest

from bursar.policies.balancekey import (
    Amounts,
    BalanceKey,
    Kind,
    encoded,
    expectation_of,
    kind_of,
    parse_balance_key,
    told_of,
)

WINDOW = "2026-11-21T23:00:00Z"


@pytest.mark.parametrize(
    ("key", "text", "unit"),
    [
        (BalanceKey("b", WINDOW, ""), f"b|{WINDOW}|", "usd"),
        (BalanceKey("b", WINDOW, "tenant=acme"), f"b|{WINDOW}|tenant=acme", "usd"),
        (BalanceKey("b", WINDOW, "tenant=acme", Kind.TOKENS), f"b|{WINDOW}|tenant=acme|tokens", "tokens"),
        (BalanceKey("b", "rolling 24h", "", Kind.CALLS), "b|rolling 24h||calls", "calls"),
        (BalanceKey("b:day", WINDOW, "", Kind.EXPECTED), f"b:day|{WINDOW}||expected", "usd"),
        (BalanceKey("b", "conversation c%7C1", ""), "b|conversation c%7C1|", "usd"),
    ],
)
def test_a_key_is_written_and_read_back(key: BalanceKey, text: str, unit: str) -> None:
    """Budget, window and scope, and the kind where it is not money."""
    assert str(key) == text
    assert parse_balance_key(text) == key
    assert (key.unit, kind_of(text)) == (unit, key.kind)


@pytest.mark.parametrize(
    "key", ["", "support-day", f"support-day|{WINDOW}", f"b|{WINDOW}||pounds", f"b|{WINDOW}||tokens|", "b|w||"]
)
def test_another_text_is_no_balance_key(key: str) -> None:
    """And is not taken for one with an empty scope, or in money."""
    with pytest.raises(ValueError, match=r"expected BUDGET\|WINDOW\|SCOPE"):
        parse_balance_key(key)


@pytest.mark.parametrize("scope", ["tokens", "expected", "tenant=|tokens", "a|expected", "%7Ctokens", "a,b%"])
def test_no_value_can_pose_as_a_kind(scope: str) -> None:
    """Whatever somebody writes into a label: what has a meaning in keys is encoded."""
    key = str(BalanceKey("b", WINDOW, encoded(scope)))
    assert kind_of(key) is Kind.USD
    assert told_of(key) == key
    assert parse_balance_key(key).scope == encoded(scope)


def test_no_two_values_are_encoded_alike() -> None:
    """All texts of up to three of the characters that matter."""
    texts = ["".join(letters) for length in range(4) for letters in product("%,|27C", repeat=length)]
    assert len({encoded(text) for text in texts}) == len(texts)


def test_the_second_currency_is_told_as_its_balance() -> None:
    """People hear of one balance, and no other kind is taken for it."""
    key = f"b|{WINDOW}|tenant=acme"
    assert expectation_of(key) == f"{key}|expected"
    assert [told_of(each) for each in (key, expectation_of(key), f"{key}|tokens")] == [key, key, f"{key}|tokens"]


@pytest.mark.parametrize(
    ("cost", "tokens", "charged"),
    [
        (30, 7, Amounts(30, 7, 1, 30)),
        (None, 7, Amounts(100, 7, 1, 40)),
        (30, None, Amounts(30, 500, 1, 30)),
        (None, None, Amounts(100, 500, 1, 40)),
        (0, 0, Amounts(0, 0, 1, 0)),
    ],
)
def test_what_is_not_known_is_charged_as_it_was_held(cost: int | None, tokens: int | None, charged: Amounts) -> None:
    """Of 100 nano-dollars, 500 tokens and 40 expected; an attempt that was answered is one call."""
    assert Amounts(100, 500, 1, 40).charged(cost, tokens) == charged
