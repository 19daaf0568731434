"""What does a call carry that is to be put off, or whose answer has come, and what does it leave there?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bursar.policies.deferral import Outcome
from bursar.policies.values import value

if TYPE_CHECKING:
    from bursar.instrumentation.context import Work


@value
class Deferred:
    """A call that the agent has on its disk. Instants in nanoseconds since the epoch."""

    id: str
    since_ns: int
    """When it was offered, or rejoined."""
    due_ns: int
    """When an answer must be there."""
    lasting: bool = False
    """Whether it outlives the caller: it has a key, or the application asked for it and keeps its id."""


@dataclass(slots=True)
class Asking:
    """An application's wish that its call is put off: filled by the call, read by `deferral`."""

    deferred: Deferred | None = None
    """What became of it; None: it was sent at once."""
    why: str = ""
    """Why it was sent at once, in the words of `Unbatched`."""
    work: Work | None = None
    """What the call was for."""
    outcome: Outcome | None = None
    """The answer that has come: the call is made again, and this is what it is answered with."""
    tries: bool = True
    """Whether the agent is asked at all."""
