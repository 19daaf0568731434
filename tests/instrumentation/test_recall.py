"""Recall: one request held open at the agent for as long as something lies idle here."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Collection

import pytest

from bursar.instrumentation.link import Unreachable
from bursar.instrumentation.recall import Recall
from bursar.policies import protocol


class Stage:
    """A line that answers by script, and what was given back."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)
        self.posted: list[tuple[str, object, float]] = []
        self.given: list[Collection[str]] = []
        self.idle = True
        self.hung_up = threading.Event()
        self.done = threading.Event()
        self.recall = Recall(self, lambda: "h1", idles=lambda: self.idle, give_back=self.give_back)

    def post(self, path: str, body: bytes, *, seconds: float) -> object:
        self.posted.append((path, json.loads(body), seconds))
        if not self.answers:
            self.done.set()
            self.hung_up.wait(5)
            raise Unreachable("hung up")
        return self.answers.pop(0)

    def hang_up(self) -> None:
        self.hung_up.set()

    def give_back(self, wanted: Collection[str]) -> None:
        self.given.append(wanted)


def ended() -> bool:
    """Whether no thread of a recall is left, a moment later."""
    for thread in threading.enumerate():
        if thread.name == "bursar-recall":
            thread.join(5)
    return not any(thread.name == "bursar-recall" for thread in threading.enumerate())


def test_what_is_wanted_is_given_back_and_the_next_request_follows() -> None:
    """Each request says who waits, and is waited for longer than the agent holds it."""
    stage = Stage({"wanted": ["b|w|"]}, {"wanted": []})
    stage.recall.look()
    assert stage.done.wait(5)
    assert stage.given == [("b|w|",)]
    assert stage.posted == [(protocol.RECALL_PATH, {"holder": "h1", "protocol": 1}, 25.0)] * 3
    stage.recall.close()
    assert ended()


def test_nothing_is_asked_while_nothing_lies_idle() -> None:
    """A process that keeps no money has no connection and no thread for it."""
    stage = Stage()
    stage.idle = False
    stage.recall.look()
    assert (stage.posted, ended()) == ([], True)


def test_it_stops_asking_when_all_is_given_back_and_begins_again() -> None:
    """Once something may stay again."""
    stage = Stage({"wanted": ["b|w|"]})
    asked: list[int] = []

    def give_back(_: Collection[str]) -> None:
        stage.idle = False
        asked.append(len(stage.posted))

    stage.recall = Recall(stage, lambda: "h1", idles=lambda: stage.idle, give_back=give_back)
    stage.recall.look()
    until(lambda: asked == [1])
    assert not stage.done.wait(0.05)
    stage.idle = True
    stage.recall.look()
    assert stage.done.wait(5)
    stage.recall.close()
    assert ended()


def test_a_recall_that_is_closed_does_not_begin() -> None:
    """The process ends."""
    stage = Stage()
    stage.recall.close()
    stage.recall.look()
    assert (stage.posted, ended()) == ([], True)


def test_an_answer_that_makes_no_sense_counts_as_none() -> None:
    """An agent of another version, or somebody else's server."""
    stage = Stage([1, 2], {"wanted": 3})
    for _ in range(2):
        with pytest.raises(Unreachable):
            stage.recall.listen()
    assert stage.given == []


def until(true: Callable[[], bool]) -> None:
    """Wait for another thread, a bounded time."""
    for _ in range(500):
        if true():
            return
        threading.Event().wait(0.01)
    raise AssertionError("waited five seconds")
