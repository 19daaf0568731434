"""How do strands of real code take turns, so that one seed decides in which order everything happens?"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType
from typing import Any, TypeVar

from greenlet import getcurrent, greenlet

T = TypeVar("T")


class Killed(BaseException):
    """Thrown where a strand stands when its process is killed; what it still does has no effect on the world."""


class Strand:
    """What would be a thread, and runs only from one of its pauses to the next, when it is told to."""

    def __init__(self, stage: Stage, run: Callable[[], object], owner: object) -> None:
        self.owner = owner
        self.at = "begin"
        """Where it stands, for whoever reads a schedule."""
        self._stage = stage
        self._killed = False
        self._greenlet = greenlet(run)

    @property
    def over(self) -> bool:
        """Whether it has come to its end."""
        return bool(self._greenlet.dead)

    def step(self) -> None:
        """Run to the next pause, or to the end; raises what went wrong in it."""
        self._turn(self._greenlet.switch)

    def kill(self) -> None:
        """Throw `Killed` into it until it is over."""
        self._killed = True
        while not self.over:
            try:
                self._turn(lambda: self._greenlet.throw(Killed))
            except Killed:
                return

    def pause(self, at: str) -> None:
        """Give the turn back; from within the strand."""
        if not self._killed:
            self.at = at
            scheduler = self._greenlet.parent
            assert scheduler is not None
            scheduler.switch()
        if self._killed:
            raise Killed

    def _turn(self, go: Callable[[], object]) -> None:
        before, self._stage.running = self._stage.running, self
        self._greenlet.parent = getcurrent()
        try:
            go()
        finally:
            self._stage.running = before


class Stage:
    """All strands of one world."""

    def __init__(self) -> None:
        self.running: Strand | None = None
        self.strands: list[Strand] = []

    def begin(self, run: Callable[[], object], owner: object) -> Strand:
        """A new strand, which waits for its first turn."""
        strand = Strand(self, run, owner)
        self.strands.append(strand)
        return strand

    def step(self, strand: Strand) -> None:
        """Give a strand its turn."""
        strand.step()
        if strand.over:
            self.strands.remove(strand)

    def kill(self, owner: object) -> None:
        """End every strand of one owner where it stands, but for the one that is at it."""
        mine = [strand for strand in self.strands if strand.owner is owner and strand is not self.running]
        for strand in mine:
            strand.kill()
            self.strands.remove(strand)

    def pause(self, at: str) -> None:
        """Let others go first; nothing outside a strand."""
        if self.running is not None:
            self.running.pause(at)

    def sleep(self, seconds: float) -> None:
        """The same, at a place where the shipped code sleeps."""
        self.pause("sleep")


TURNS_A_SECOND = 40
"""How often a bounded wait for a lock looks again."""


class TurnLock:
    """A lock that is waited for by giving up turns; a bounded wait ends after so many of them."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._locked = False

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """As of `threading.Lock`."""
        turns = 0
        while self._locked:
            turns += 1
            if not blocking or (timeout >= 0 and turns > timeout * TURNS_A_SECOND):
                return False
            self._stage.pause("lock")
        self._locked = True
        return True

    def release(self) -> None:
        """As of `threading.Lock`."""
        self._locked = False

    def __enter__(self) -> TurnLock:
        self.acquire()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.release()


class TurnFuture(Future[T]):
    """A future that is waited for by giving up turns."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self._stage = stage

    def result(self, timeout: float | None = None) -> Any:
        """As of `Future`, however long it takes."""
        while not self.done():
            self._stage.pause("answer")
        return super().result(0)
