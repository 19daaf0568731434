"""Claims about bodies: what can be kept is read, and everything else is told why not."""

from __future__ import annotations

import pytest

from bursar.agent.serving.jsonbody import MOST_DEPTH, read_json, read_loosely


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b'{"a": [1, "x", null]}', {"a": [1, "x", None]}),
        (rb'"\ud834\udd1e"', "𝄞"),
        ('"ß𝄞"'.encode(), "ß𝄞"),
        (rb'"\\ud800"', r"\ud800"),
        (b"[" * MOST_DEPTH + b"]" * MOST_DEPTH, None),
    ],
)
def test_what_is_read(raw: bytes, value: object) -> None:
    """Any JSON whose texts are whole."""
    assert read_json(raw) == (value or read_loosely(raw))


@pytest.mark.parametrize(
    "raw",
    [
        b"{",
        b'"\xff"',
        b'"\xed\xa0\x80"',
        '{"a": 1}'.encode("utf-16"),
        rb'"\ud800"',
        rb'{"\uDFFF": 1}',
        b"NaN",
        b"[-Infinity]",
        b"1" * 5_000,
        b"[" * (MOST_DEPTH + 1) + b"]" * (MOST_DEPTH + 1),
        b'{"a":' * 100_000,
        b"[" + b"[]," * 500_000 + b"0]",
        b"[" + b"0," * 2_000_001 + b"0]",
    ],
)
def test_what_is_not(raw: bytes) -> None:
    """Broken, in another encoding, half a sign, no number, too long a number, too deep, too many values."""
    with pytest.raises(ValueError, match=r"."):
        read_json(raw)


def test_parts_that_are_judged_one_by_one() -> None:
    """A message of many records is not thrown away for one of them; depth is refused all the same."""
    assert read_loosely(rb'["\ud800", NaN]')
    with pytest.raises(ValueError, match="deeper than 100 levels"):
        read_loosely(b"[" * 200 + b"]" * 200)
