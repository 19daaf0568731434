"""Claims about a message: its text is one line."""

from __future__ import annotations

from bursar.agent.alerting.message import Message


def test_one_line() -> None:
    """Whatever stands in a label."""
    message = Message('Budget "day" (tenant=a\nb)', ("One.", "Two\r\nlines."), {})
    assert message.text == 'Budget "day" (tenant=a b). One. Two lines.'
