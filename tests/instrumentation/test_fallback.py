"""Fallback: another package's prices are an estimate, and no call waits for them to be loaded."""

from __future__ import annotations

import threading
from datetime import date

import pytest

from bursar.instrumentation import fallback as module
from bursar.instrumentation.fallback import Estimator, estimator

DAY = date(2026, 11, 22)


def test_the_first_question_loads_and_the_answer_comes_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """While it is loading nothing is known; it is loaded once."""
    loading, loaded = threading.Event(), threading.Event()
    asked: list[str] = []

    def slow(name: str, day: date) -> None:
        asked.append(name)
        loading.set()
        assert loaded.wait(10)

    monkeypatch.setattr(module, "look_up", slow)
    estimate = Estimator()
    assert estimate("claude-x", DAY) is None
    assert loading.wait(10)
    assert estimate("claude-x", DAY) is None
    assert asked == [""]
    loaded.set()
    estimate._loading.join(10)  # type: ignore[union-attr]  # pyright: ignore[reportPrivateUsage, reportOptionalMemberAccess]
    estimate("claude-x", DAY)
    assert asked == ["", "claude-x"]


def test_where_it_is_not_installed_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """A charge without a price stays unknown."""

    def nowhere(name: str) -> None:
        return None

    monkeypatch.setattr(module, "find_spec", nowhere)
    assert estimator() is None
