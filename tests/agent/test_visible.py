"""Claims about what others wrote: it is shown, and steers nothing."""

from __future__ import annotations

import pytest

from bursar.agent.visible import visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("support.triage", "support.triage"),
        ("ü 😀 \u05d0", "ü 😀 \u05d0"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("\x1b]0;title\x07\x1b[31mred", "\ufffd]0;title\ufffd\ufffd[31mred"),
        ("\x00\r\x7f\x9b2J", "\ufffd\ufffd\ufffd\ufffd2J"),
        ("\u202eback\u202c \u2066in\u2069", "\ufffdback\ufffd \ufffdin\ufffd"),
    ],
)
def test_nothing_steers_the_terminal(text: str, shown: str) -> None:
    """Every character that would is one mark, so that it is seen that something stood there."""
    assert visible(text) == shown
