"""Context: what a call is for, as the application says or as its callers tell."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bursar.instrumentation import context
from bursar.instrumentation.context import UNNAMED, Work, current_work, find_caller, name_work, route

HERE = __name__


def test_outside_of_any_block_there_is_nothing() -> None:
    """Neither route nor labels."""
    assert current_work() == Work(None, {})


def test_a_block_names_the_work_inside_it() -> None:
    """And what was before holds again after it, also after an error."""
    with route("a", tenant="x") as block:
        assert isinstance(block, route)
        assert current_work() == Work("a", {"tenant": "x"})
    with pytest.raises(KeyError), route("b"):
        raise KeyError
    assert current_work() == Work()


def test_labels_of_outer_blocks_hold_inside() -> None:
    """An inner label of the same name wins, an inner route too; a block may have labels alone."""
    with route("a", tenant="x", env="prod"), route("b", tenant="y", n=7):  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        assert current_work() == Work("b", {"tenant": "y", "env": "prod", "n": "7"})
        with route(user="u"):
            assert current_work() == Work("b", {"tenant": "y", "env": "prod", "n": "7", "user": "u"})
    assert current_work() == Work()


def test_what_cannot_be_sent_as_utf_8_is_replaced() -> None:
    """A lone surrogate, as undecodable input leaves it: in the route, and in the names and values of labels."""
    with route("caf\udce9", **{"ten\udcffant": "\ud800x", "city": "Köln"}):
        assert current_work() == Work("caf?", {"ten?ant": "?x", "city": "Köln"})
    assert calling("desk\udce9")() == "desk?:passing"


def test_one_block_may_be_entered_twice() -> None:
    """Within itself, too."""
    block = route("a")
    with block, block:
        assert current_work().route == "a"
    assert current_work() == Work()


def test_a_function_may_be_decorated() -> None:
    """Also one that calls itself."""

    @route("deep", level="1")
    def count(left: int) -> list[str | None]:
        return [current_work().route, *(count(left - 1) if left else [])]

    assert count(2) == ["deep", "deep", "deep"]
    assert count.__name__ == "count"
    assert current_work() == Work()


def test_a_coroutine_function_may_be_decorated() -> None:
    """The route holds across its awaits, and each of many at once has its own."""

    @route("slow")
    async def slow() -> str | None:
        await asyncio.sleep(0)
        return current_work().route

    async def both() -> list[str | None]:
        return [*await asyncio.gather(slow(), slow()), current_work().route]

    assert asyncio.run(both()) == ["slow", "slow", None]


def test_tasks_do_not_see_each_other_s_route() -> None:
    """Though they take turns on one thread."""

    async def work(name: str) -> list[str | None]:
        with route(name):
            before = current_work().route
            await asyncio.sleep(0)
            return [before, current_work().route]

    async def both() -> list[list[str | None]]:
        return list(await asyncio.gather(work("a"), work("b")))

    assert asyncio.run(both()) == [["a", "a"], ["b", "b"]]


def test_a_thread_has_the_route_if_the_context_is_copied() -> None:
    """And none otherwise."""
    with route("a"), ThreadPoolExecutor(1) as pool:
        copied = contextvars.copy_context()
        assert pool.submit(copied.run, current_work).result() == Work("a")
        assert pool.submit(current_work).result() == Work()


def test_a_generator_left_in_another_context_does_not_raise() -> None:
    """As one that is closed by the garbage collector, in whichever thread."""

    def stream() -> Iterator[str | None]:
        with route("streamed"):
            yield current_work().route

    running = stream()
    copied = contextvars.copy_context()
    assert copied.run(next, running) == "streamed"
    del running
    gc.collect()
    assert current_work() == Work()


def caller_in_function() -> str:
    return find_caller()


class Desk:
    def triage(self) -> str:
        return find_caller()

    @staticmethod
    def static() -> str:
        return find_caller()

    by_lambda = staticmethod(lambda: find_caller())


def nested() -> str:
    def inner() -> str:
        return find_caller()

    return inner()


def in_lambda() -> str:
    ask: Callable[[], str] = lambda: find_caller()  # noqa: E731
    return ask()


def in_comprehension() -> str:
    (found,) = [find_caller() for _ in range(1)]
    return found


def in_generator() -> str:
    return next(find_caller() for _ in range(1))


MODULE_LEVEL = find_caller()
(MODULE_COMPREHENSION,) = [find_caller() for _ in range(1)]
MODULE_LAMBDA: Callable[[], str] = lambda: find_caller()  # noqa: E731
NESTED_LAMBDAS: Callable[[], Callable[[], str]] = lambda: lambda: find_caller()  # noqa: E731


def through_module_lambda() -> str:
    return MODULE_LAMBDA()


def through_nested_lambdas() -> str:
    return NESTED_LAMBDAS()()


@pytest.mark.parametrize(
    ("found", "name"),
    [
        (caller_in_function, "caller_in_function"),
        (Desk().triage, "Desk.triage"),
        (Desk.static, "Desk.static"),
        (Desk.by_lambda, "Desk"),
        (nested, "nested.inner"),
        (in_lambda, "in_lambda"),
        (in_comprehension, "in_comprehension"),
        (in_generator, "in_generator"),
        (lambda: MODULE_LEVEL, "<module>"),
        (lambda: MODULE_COMPREHENSION, "<module>"),
        (through_module_lambda, "through_module_lambda"),
        (through_nested_lambdas, "through_nested_lambdas"),
    ],
)
def test_the_caller_is_the_nearest_function_with_a_name(found: Callable[[], str], name: str) -> None:
    """As `module:function`; lambdas and comprehensions are where they stand."""
    assert found() == f"{HERE}:{name}"


def test_a_task_of_an_event_loop_is_its_coroutine() -> None:
    """The loop that runs it is a framework."""

    async def answer() -> str:
        await asyncio.sleep(0)
        return find_caller()

    assert asyncio.run(answer()).endswith("test_a_task_of_an_event_loop_is_its_coroutine.answer")


def calling(module: str) -> Callable[[], str]:
    """A function of another module, which asks who its caller is."""
    names: dict[str, Any] = {"__name__": module, "find_caller": find_caller}
    exec("def passing():\n    return find_caller()", names)
    found: Callable[[], str] = names["passing"]
    return found


@pytest.mark.parametrize(
    "module",
    ["anthropic.resources.messages", "httpx2", "langchain_anthropic.llms", "tenacity", "bursar", "<frozen x>", ""],
)
def test_frameworks_are_passed_over(module: str) -> None:
    """By their top-level package."""
    assert calling(module)() == f"{HERE}:test_frameworks_are_passed_over"


@pytest.mark.parametrize("module", ["anthropic_desk.work", "desk.anthropic", "bursary"])
def test_a_module_that_only_sounds_like_a_framework_is_the_application_s(module: str) -> None:
    """Its whole first name counts. The same code in another module is not mistaken for it."""
    assert calling(module)() == f"{module}:passing"


def test_a_call_of_frameworks_alone_is_unnamed() -> None:
    """As from a thread that a library started."""
    found: list[str] = []
    names: dict[str, Any] = {"__name__": "httpx2", "find_caller": find_caller, "found": found}
    exec("def run():\n    found.append(find_caller())", names)
    thread = threading.Thread(target=names["run"])
    thread.start()
    thread.join()
    assert found == [UNNAMED]


# The module alone, under its own name: importing all of its package would take two seconds each time.
SCRIPT = f"""
import importlib.util, sys
spec = importlib.util.spec_from_file_location("bursar.instrumentation.context", {context.__file__!r})
sys.modules[spec.name] = module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
find_caller = module.find_caller
def ask():
    return find_caller()
print(ask())
print(find_caller())
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "desk_triage.py").write_text(SCRIPT)
    package = tmp_path / "desk"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text(SCRIPT)
    (package / "night.py").write_text(SCRIPT)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "module"),
    [
        (["desk_triage.py"], "desk_triage"),
        (["-m", "desk_triage"], "desk_triage"),
        (["-m", "desk"], "desk"),
        (["-m", "desk.night"], "desk.night"),
        (["-c", SCRIPT], "__main__"),
    ],
)
def test_a_script_is_named_as_if_it_were_imported(folder: Path, arguments: list[str], module: str) -> None:
    """By its file or module; text on the command line has no name."""
    run = subprocess.run([sys.executable, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    assert run.stdout.split() == [f"{module}:ask", f"{module}:<module>"]


def test_the_memo_is_bounded() -> None:
    """Code that is made anew for every call does not fill the memory."""
    for number in range(5_000):
        names: dict[str, Any] = {"__name__": "made", "find_caller": find_caller}
        exec(f"def f{number}():\n    return find_caller()", names)
        assert names[f"f{number}"]() == f"made:f{number}"
    assert len(context._names) <= 4_096  # pyright: ignore[reportPrivateUsage]


@contextmanager
def within(name: str | None) -> Generator[None]:
    if name is None:
        yield
        return
    with route(name, tenant="inner"):
        yield


@pytest.mark.parametrize(
    ("block", "default", "found", "expected"),
    [
        ("block", "default", "found", "block"),
        (None, "default", "found", "default"),
        (None, None, "found", "found"),
        (None, None, None, "asked_here"),
    ],
)
def test_a_route_is_the_block_s_then_the_default_then_what_is_found(
    block: str | None, default: str | None, found: str | None, expected: str
) -> None:
    """And else the caller itself; the policy is asked with the caller."""
    asked: list[str] = []

    def find(caller: str) -> str | None:
        asked.append(caller)
        return found

    def asked_here() -> Work:
        return name_work(default_route=default, default_labels={"env": "prod", "tenant": "outer"}, find=find)

    with within(block):
        work = asked_here()
    assert work.route is not None
    assert work.route.endswith(expected)
    assert work.labels == {"env": "prod", "tenant": "outer" if block is None else "inner"}
    assert all(caller.endswith("asked_here") for caller in asked)
    assert len(asked) == (default is None and block is None)


def test_without_default_labels_the_block_s_are_taken_as_they_are() -> None:
    """Nothing is copied for nothing."""
    with route("a", tenant="x"):
        work = name_work(default_route=None, default_labels={}, find=lambda caller: None)
        assert work is current_work()
    assert name_work(default_route="d", default_labels={}, find=lambda caller: None) == Work("d", {})
