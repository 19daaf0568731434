"""Quiet: our failures are told once and never raised."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator
from threading import Event, Thread

import pytest

from bursar.instrumentation import quiet as quiet_module
from bursar.instrumentation.quiet import excuse, forget_told, quiet, tell_once


@pytest.fixture(autouse=True)
def fresh(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    forget_told()
    caplog.set_level(logging.DEBUG, "bursar")
    yield
    forget_told()


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[int, str, bool]]:
    return [(record.levelno, record.getMessage(), bool(record.exc_info)) for record in caplog.records]


def test_an_error_of_ours_stays_inside_and_is_told_in_full_once(caplog: pytest.LogCaptureFixture) -> None:
    """With its traceback; later times go to the debug log, another task is told again."""
    for task in ("write a span", "write a span", "end a span"):
        with quiet(task):
            raise KeyError("x")
    message = "bursar could not {}; the application goes on without it"
    assert told(caplog) == [
        (logging.WARNING, message.format("write a span"), True),
        (logging.DEBUG, message.format("write a span"), True),
        (logging.WARNING, message.format("end a span"), True),
    ]


def test_an_excuse_says_what_quiet_says(caplog: pytest.LogCaptureFixture) -> None:
    """For an error that was caught already."""
    nothing: dict[str, int] = {}
    try:
        _ = nothing["x"]
    except KeyError:
        excuse("write a span")
    message = "bursar could not write a span; the application goes on without it"
    assert told(caplog) == [(logging.WARNING, message, True)]


def test_what_works_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """And its work is done."""
    done: list[int] = []
    with quiet("count"):
        done.append(1)
    assert (done, caplog.records) == ([1], [])


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_ends_a_program_passes(error: type[BaseException]) -> None:
    """It is not ours to keep."""
    with pytest.raises(error), quiet("work"):
        raise error


def test_a_warning_is_told_once_per_key(caplog: pytest.LogCaptureFixture) -> None:
    """Until it is forgotten, as in a forked child; percent signs in it stay as they are."""
    tell_once("full", "100% full")
    tell_once("full", "100% full")
    forget_told()
    tell_once("full", "100% full")
    levels = [logging.WARNING, logging.DEBUG, logging.WARNING]
    assert told(caplog) == [(level, "100% full", False) for level in levels]


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_does_not_wait_for_a_thread_of_its_parent() -> None:
    """The lock it inherits may be held by a thread that was not copied."""
    held, done = Event(), Event()

    def hold() -> None:
        with quiet_module._lock:  # pyright: ignore[reportPrivateUsage]
            held.set()
            done.wait(10)

    holder = Thread(target=hold)
    holder.start()
    assert held.wait(10)
    child = os.fork()
    if child == 0:
        signal.setitimer(signal.ITIMER_REAL, 5)  # ends the child, should it wait
        forget_told()
        tell_once("child", "told in the child")
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    done.set()
    holder.join()
    assert status == 0
