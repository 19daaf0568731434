"""
Does anybody wait for a route's answers, as far as the ledger alone can tell?

No single sign is proof. Against it speak: streams (somebody reads along), stages of a cascade (the next one waits),
conversations that go on with the answer (by fingerprints; without any, prompts that grow by what was answered), and
pauses between an answer and the next call of the same process and labels, as of somebody who reads. For it: calls that
start before, or right after, the answer to the one before, together with hours of the day that hold nearly all of them,
or with no hours of rest at all. What a policy allows (`may_wait`) is known, and outweighs what only looks so.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from enum import StrEnum
from fractions import Fraction

from bursar.agent.ledger.pastattempts import PastAttempt

FEWEST = 20
"""With fewer calls nothing is said."""
STREAMED = STAGED = Fraction(1, 100)
GOES_ON = Fraction(1, 20)
"""Share of fingerprinted calls that go on a conversation from which on somebody waits for it."""
GROWING = Fraction(3, 5)
"""Of calls that follow one another: prompts in no order grow in half of them at most."""
AT_ONCE = Fraction(4, 5)
AT_ONCE_NS = 2 * 10**9
"""An answer is heard of up to a second late: below two nobody can have read it."""
LONG_NS = 900 * 10**9
"""An answer that is heard of later than that came by way of an outage, and says nothing of when it was there."""
BUSY_HOURS, BUSY = 3, Fraction(4, 5)
"""Hours of the day, one after the other, that hold so much of a job that runs by the clock."""
QUIET_HOURS, QUIET = 8, Fraction(1, 6)
"""The quietest hours of the day: a third of all calls if there is no rest, half of that at least is called none."""
MEMORY = 20_000
"""Processes and labels, and conversations, remembered; beyond that the one silent the longest is forgotten."""
_HOUR_NS, _HOURS = 3_600 * 10**9, 24


class Sign(StrEnum):
    """What speaks for it, or against, in the order in which they are asked."""

    FEW = "few"
    STREAMED = "streamed"
    STAGED = "staged"
    GOES_ON = "goes_on"
    ALLOWED = "allowed"
    """The policy says that it may wait."""
    GROWING = "growing"
    UNTIMED = "untimed"
    """No call follows another of the same process and labels whose answer's time is known."""
    PACED = "paced"
    """There are pauses behind answers."""
    YOUNG = "young"
    """One call after the other, on one day alone: that is no rhythm yet."""
    DAYTIME = "daytime"
    """Calls come and go with the day, as people do."""
    CLOCKWORK = "clockwork"
    """One call after the other, within a few hours of the day."""
    STEADY = "steady"
    """One call after the other, at all hours."""


BATCHABLE = (Sign.ALLOWED, Sign.CLOCKWORK, Sign.STEADY)
SURE = {Sign.ALLOWED: "said by the policy", Sign.CLOCKWORK: "likely", Sign.STEADY: "possible"}
"""How sure that is."""


class Waits:
    """What the calls of one route look like; add them in order of time."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self.calls = self.streamed = self.staged = 0
        self.printed = self.going_on = 0
        """Calls with a fingerprint, and those of them whose conversation had a shorter one before."""
        self.followed = self.grown = self.timed = self.at_once = 0
        """Calls with one before them by the same process and labels, and what became of these."""
        self.by_hour = [0] * _HOURS
        self._days: set[int] = set()

    def add(self, one: PastAttempt) -> None:
        """Count a call that was sent by itself, and not in a batch."""
        self.calls += 1
        self.streamed += one.streamed
        self.staged += one.staged
        self.by_hour[one.at_ns // _HOUR_NS % _HOURS] += 1
        self._days.add(one.at_ns // (_HOUR_NS * _HOURS))
        if one.conversation:
            self.printed += 1
            self.going_on += self._memory.gone_on(one.conversation, one.usage.prompt)
        before = self._memory.before(one)
        if before is not None:
            self._follow(before, one)

    def sign(self, *, may_wait: bool) -> Sign:
        """The one that decides."""
        if self.calls < FEWEST:
            return Sign.FEW
        if self.streamed > STREAMED * self.calls:
            return Sign.STREAMED
        if self.staged > STAGED * self.calls:
            return Sign.STAGED
        if self.going_on > GOES_ON * self.printed:
            return Sign.GOES_ON
        if may_wait:
            return Sign.ALLOWED
        if not self.printed and self.grown > GROWING * self.followed:
            return Sign.GROWING
        if not self.timed:
            return Sign.UNTIMED
        if self.at_once < AT_ONCE * self.timed:
            return Sign.PACED
        return self._rhythm()

    def busiest(self) -> Fraction:
        """The share of calls in the busiest hours of the day, one after the other."""
        return Fraction(max(_around(self.by_hour, BUSY_HOURS)), max(self.calls, 1))

    def quietest(self) -> Fraction:
        """The share in the quietest ones."""
        return Fraction(min(_around(self.by_hour, QUIET_HOURS)), max(self.calls, 1))

    def _rhythm(self) -> Sign:
        if len(self._days) == 1:
            return Sign.YOUNG
        if self.busiest() >= BUSY:
            return Sign.CLOCKWORK
        return Sign.STEADY if self.quietest() >= QUIET else Sign.DAYTIME

    def _follow(self, before: Before, one: PastAttempt) -> None:
        self.followed += 1
        self.grown += one.usage.prompt > before.prompt + max(before.output - 1, 0)
        if before.answered_ns is not None:
            self.timed += 1
            self.at_once += one.at_ns - before.answered_ns < AT_ONCE_NS


class Before:
    """The call before: when its answer was heard of, None where that says nothing, and its tokens."""

    __slots__ = ("answered_ns", "output", "prompt")

    def __init__(self, one: PastAttempt) -> None:
        heard = one.answered_ns is not None and 0 <= one.answered_ns - one.at_ns <= LONG_NS
        self.answered_ns = one.answered_ns if heard else None
        self.prompt, self.output = one.usage.prompt, one.usage.output


class Memory:
    """Who called last, and which conversations were met: of all routes, and not without end."""

    def __init__(self) -> None:
        self._last: OrderedDict[tuple[str, str, str], Before] = OrderedDict()
        self._met: OrderedDict[str, int] = OrderedDict()
        """Conversations, and their last prompt in tokens."""

    def before(self, one: PastAttempt) -> Before | None:
        """The call before by the same process and labels on its route; from now on it is this one."""
        key = one.route, one.holder, one.labels
        found = self._last.pop(key, None)
        self._last[key] = Before(one)
        if len(self._last) > MEMORY:
            self._last.popitem(last=False)
        return found

    def gone_on(self, conversation: str, prompt: int) -> bool:
        """Whether it was met before, with a shorter prompt: one as long, or shorter, may be the same asked again."""
        before = self._met.get(conversation)
        self._met[conversation] = prompt
        self._met.move_to_end(conversation)
        if len(self._met) > MEMORY:
            self._met.popitem(last=False)
        return before is not None and prompt > before


def _around(by_hour: Sequence[int], hours: int) -> list[int]:
    """Sums of so many hours, one after the other, from each hour of the day on."""
    twice = (*by_hour, *by_hour)
    return [sum(twice[start : start + hours]) for start in range(len(by_hour))]
