"""
What a caller sees of every case, observed in forked processes: `python -m tests.matrix.observing`.

Each line on standard input is a round: a JSON object of jobs and their variables. Each line on standard output answers
one: what every job found. With MATRIX_BURSAR set a job is instrumented as Bursar's variables say; with MATRIX_FULL_DISK
no file can be written; with MATRIX_TRACED only the SDK's own tracing is tried; with MATRIX_UNWATCHED there is no tracer
provider, and the charges are told.
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
import inspect
import json
import logging
import multiprocessing
import os
import resource
import sys
import threading
import warnings
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from itertools import product
from multiprocessing.connection import Connection
from typing import Any
from unittest import mock

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from tests.matrix.case import SDK_TRACES, Case
from tests.matrix.cases import CASES
from tests.matrix.sight import RAW, asked, constant, described, kind_of, raised, released
from tests.matrix.stage import Stage, current_span, swift_retries

TRACING = [True, False] if SDK_TRACES else [False]
WORKER = "AnyIO worker thread"
POOLED = ("bursar", WORKER)
"""Our own thread, and those that the SDK's async clients keep for a while."""
ENDING_SECONDS = 10.0
QUIET_TURNS = 5
"""For so long a loop closes no generator before it is thought to be done."""
AT_MOST_TURNS = 200


class Others(logging.Handler):
    """What others log; our own warnings are ours to give."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if not record.name.startswith("bursar"):
            self.lines.append(constant(f"{record.levelname} {record.name} {record.getMessage()}"))


def observe(case: Case) -> dict[str, Any]:
    """Everything that the caller of one case can see."""
    stage, others = Stage(case.answers), Others()
    before, span = _context(), current_span()
    seen: dict[str, Any] = {}
    with _ears(others) as (warned, unraised):
        seen["outcome"] = _outcome(case, stage, seen)
        seen["released"] = [seen.pop("held"), released(stage.server)]
    requests = [asked(request) for request in stage.server.requests]
    seen["requests"] = sorted(requests, key=str) if case.unordered else requests
    seen["raw headers"] = [dict(request.headers).get(RAW) for request in stage.server.requests]
    seen["notes"] = [[what, described(value)] for what, value in stage.notes]
    seen["logs"] = sorted(others.lines) if case.unordered else others.lines
    seen["warnings"] = [constant(f"{each.category.__name__}: {each.message}") for each in warned]
    seen["unraised"] = unraised
    seen["context"] = [sorted(_context() - before), span == current_span()]
    seen["threads"] = sorted(thread.name for thread in threading.enumerate() if not thread.name.startswith(POOLED))
    return seen


def _outcome(case: Case, stage: Stage, seen: dict[str, Any]) -> Any:
    """What it returned or raised, and how the bodies stood while that was held."""
    try:
        with swift_retries():
            value = _run_async(case, stage, seen) if inspect.iscoroutinefunction(case.act) else case.act(stage)
    except Exception as error:  # noqa: BLE001 - whatever is raised is what is compared
        seen["held"] = released(stage.server)
        return ["raised", raised(error)]
    seen["held"] = released(stage.server)
    told = ["returned", described(value)]
    return sorted(told[1], key=str) if case.unordered else told


def _run_async(case: Case, stage: Stage, seen: dict[str, Any]) -> Any:
    try:
        return asyncio.run(_awaited(case, stage, seen))
    finally:
        let_workers_end()


def let_workers_end() -> None:
    """
    Wait for the threads of a loop that is closed.

    Until they notice, they hold its main task, and with it what that returned: on a busy machine longer than we look.
    """
    for thread in threading.enumerate():
        if thread.name == WORKER:
            thread.join(ENDING_SECONDS)


async def _awaited(case: Case, stage: Stage, seen: dict[str, Any]) -> Any:
    heard: list[str] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: heard.append(constant(str(context))))
    try:
        return await case.act(stage)
    finally:
        seen["loop"] = [heard, await left_running()]


async def left_running() -> list[str]:
    """
    The tasks that run on after a case, once the loop has closed the generators that were dropped.

    A response of httpx, which the SDK stands on below 1.0, is a chain of async generators. Whoever leaves one in the
    middle, as the fallback middleware and a stream that reports an error do, leaves the chain to the loop, which closes
    it link by link: a task for each, and a turn between them. How far it has come at a given turn depends on how many
    turns the answer took, so that two runs without Bursar differ in it, too.
    """
    quiet = 0
    for _ in range(AT_MOST_TURNS):
        await asyncio.sleep(0)
        quiet = 0 if any(map(_closes_a_generator, asyncio.all_tasks())) else quiet + 1
        if quiet == QUIET_TURNS:
            break
    left = asyncio.all_tasks() - {asyncio.current_task()}
    return sorted(str(task.get_coro()).split(" at ")[0] for task in left)


def _closes_a_generator(task: asyncio.Task[Any]) -> bool:
    return type(task.get_coro()).__name__ == "async_generator_athrow"


@contextmanager
def _ears(others: Others) -> Generator[tuple[list[warnings.WarningMessage], list[str]]]:
    """Warnings, log lines of others, and exceptions that nobody could be given."""
    unraised: list[str] = []

    def hear(unraisable: Any) -> None:
        unraised.append(repr(unraisable.exc_value))

    root = logging.getLogger()
    level = root.level
    with ExitStack() as stack:
        warned = stack.enter_context(warnings.catch_warnings(record=True))
        warnings.simplefilter("always")
        stack.enter_context(mock.patch.object(sys, "unraisablehook", hear))
        stack.enter_context(mock.patch.object(threading, "excepthook", hear))
        root.addHandler(others)
        root.setLevel(logging.DEBUG)
        stack.callback(root.setLevel, level)
        stack.callback(root.removeHandler, others)
        yield warned, unraised


def _context() -> set[str]:
    return {f"{variable.name}={kind_of(value)}" for variable, value in contextvars.copy_context().items()}


def observed() -> dict[str, Any]:
    """Every case, with the SDK's tracing and without, in this process."""
    trace.set_tracer_provider(TracerProvider())
    if os.environ.get("MATRIX_FULL_DISK"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    found: dict[str, Any] = {}
    with ExitStack() as stack:
        if os.environ.get("MATRIX_BURSAR"):
            from bursar.instrumentation import instrument, uninstrument

            instrument()
            stack.callback(uninstrument)
        for traced, case in product(TRACING[:1] if os.environ.get("MATRIX_TRACED") else TRACING, CASES):
            os.environ["ANTHROPIC_OPEN_TELEMETRY"] = "true" if traced else "false"
            gc.freeze()
            gc.disable()  # what settles does so by its reference count
            found[f"{case.name} {'traced' if traced else 'untraced'}"] = observe(case)
            gc.enable()
            gc.collect()
    return found


def unwatched() -> dict[str, Any]:
    """The charges of every case in a process that has no tracer provider."""
    from tests.matrix.measuring import measure

    return {case.name: [vars(charge) for charge in measure(case, watched=False).charges] for case in CASES}


def main() -> None:
    """Answer one round after the other."""
    context = multiprocessing.get_context("fork")
    for line in sys.stdin:
        jobs: dict[str, dict[str, str]] = json.loads(line)
        pipes = [context.Pipe(duplex=False) for _ in jobs]
        for (_, answer), variables in zip(pipes, jobs.values(), strict=True):
            context.Process(target=_work, args=(answer, variables)).start()
            answer.close()
        found = {job: question.recv() for job, (question, _) in zip(jobs, pipes, strict=True)}
        print(json.dumps(found), flush=True)  # noqa: T201 - it is how the answer is given


def _work(answer: Connection, variables: dict[str, str]) -> None:
    os.environ.update(variables)
    answer.send(unwatched() if "MATRIX_UNWATCHED" in variables else observed())


if __name__ == "__main__":
    main()
