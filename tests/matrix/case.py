"""What a case is: a way of calling, what the API answers, and what must come of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import anthropic
from tests.matrix.answers import MESSAGE, STREAM, Answer
from tests.matrix.stage import Stage

SDK_TRACES = find_spec("anthropic._tracing") is not None
"""From 1.14. From then on a dropped stream settles by its reference count, too: before, it was a cycle."""
HAS_GOOGLE_CLOUD = hasattr(anthropic, "AnthropicGoogleCloud")
HAS_MANTLE = hasattr(anthropic, "AnthropicBedrockMantle")
HAS_THREADS = find_spec("anthropic.lib.threads") is not None
HAS_BOTO = find_spec("boto3") is not None
"""The SDK signs requests to Amazon with it, and decodes Bedrock's frames."""

# Sonnet 5.5 costs, in USD a million tokens: 2 in, 0.10 cache read, 2.50 written for 5 minutes, 4 for an hour, 10 out.
# In nano-dollars, of the usage of every case: 100 * 2,000 + 2,000 * 100 + 300 * 2,500 + 200 * 4,000 + 42 * 10,000.
TOKENS_NANO = 200_000 + 200_000 + 750_000 + 800_000 + 420_000
SEARCHES_NANO = 2 * 10_000_000
"""Two web searches at 0.01 USD; fetches are free."""
COST_NANO = TOKENS_NANO + SEARCHES_NANO
START_NANO = COST_NANO - 41 * 10_000
"""A stream broken off: all but the output, of which `message_start` has one token."""


@dataclass(frozen=True)
class Charged:
    """One charge: its cost in nano-dollars, or None where it cannot be known, and its basis."""

    nano: int | None
    basis: str


@dataclass(frozen=True)
class Told:
    """What the span of one call says: tokens with the cached ones included, cost, and whether it failed."""

    input: int | None = None
    output: int | None = None
    nano: int | None = None
    failed: bool = False


EXACT = Charged(COST_NANO, "usage")
LOWER = Charged(START_NANO, "estimate")
UNKNOWN = Charged(None, "unknown")

WHOLE = Told(2600, 42, COST_NANO)
BROKEN = Told(2600, None, START_NANO)
"""Whoever breaks off knows no output: the placeholder of `message_start` is none."""
SILENT = Told()
FAILED = Told(failed=True)
BROKEN_FAILED = Told(2600, None, START_NANO, failed=True)


@dataclass(frozen=True)
class Case:
    """One way of calling. `act` may be a coroutine function."""

    name: str
    act: Callable[[Stage], Any]
    answers: tuple[Answer, ...] = (MESSAGE,)
    charges: tuple[Charged, ...] = (EXACT,)
    spans: tuple[Told, ...] = (WHOLE,)
    """Of the calls that ask for a message, in any order."""
    requests: int = 1
    unsent: int = 0
    """Attempts that were journalled and then never left."""
    own_spans: tuple[Told, ...] | None = None
    """What a span of Bursar's own says, where it must differ from the SDK's."""
    owner: str = ""
    """Whose span it is, `sdk` or `bursar`, whatever the environment says of the SDK's tracing."""
    elsewhere_nano: int = 0
    """Cost that another span than a call's may carry: that of reading a batch's results."""
    parent: str = ""
    """The application's span that must be the parent of the call's."""
    keeps: bool = False
    """Whether the application still holds the stream when the accounts are looked at."""
    unordered: bool = False
    """Whether several requests run at once, so that nobody can say which comes first."""
    needs: bool = True
    """Whether this version of the SDK has what is called."""


def streamed(name: str, act: Callable[[Stage], Any], **more: Any) -> Case:
    """A case whose answer is an event stream."""
    return _case(name, act, {"answers": (STREAM,)}, more)


def broken(name: str, act: Callable[[Stage], Any], **more: Any) -> Case:
    """A case whose stream is left before its end: a lower bound is charged, and said to be one."""
    return _case(name, act, {"answers": (STREAM,), "charges": (LOWER,), "spans": (BROKEN,)}, more)


def untouched(name: str, act: Callable[[Stage], Any], **more: Any) -> Case:
    """A case whose body nobody read: its cost is unknown."""
    return _case(name, act, {"answers": (STREAM,), "charges": (UNKNOWN,), "spans": (SILENT,)}, more)


def unanswered(name: str, act: Callable[[Stage], Any], answer: Answer, **more: Any) -> Case:
    """A case that fails and is known to cost nothing."""
    return _case(name, act, {"answers": (answer,), "charges": (), "spans": (FAILED,)}, more)


def _case(name: str, act: Callable[[Stage], Any], usual: dict[str, Any], more: dict[str, Any]) -> Case:
    return Case(name, act, **{**usual, **more})
