"""Which conversations are looked at, where there is no time to look at all?"""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress

from bursar.instrumentation.cpubudget import SHARE
from bursar.instrumentation.promptblocks import opening_of

LEAST = 1 / 1_024
GAP_SECONDS = 3_600.0
"""How long a conversation that may have lost a call is left out: by then its entries in the cache are over."""
HALVE_SECONDS = 10.0
"""The least between two halvings: what the first brings has to show first."""
RAISE_SECONDS = 300.0
"""How long it must have gone well before the share is doubled."""
MEMORY = 4_096
"""Conversations remembered."""
WINDOWS = (4_096, 65_536)
"""Bytes of the first message that are looked at, the more where the fewer do not hold it."""

_MESSAGES = b'"messages"'
_LIST = re.compile(rb"\s*:\s*\[\s*")
_decoder = json.JSONDecoder()
_ALWAYS = float("-inf")


def opening(content: bytes) -> str:
    """
    The first message of a request, out of its bytes: what all requests of its conversation have in common.

    Nothing else is parsed, which costs a tenth. System and tools are left out: where these change from call to call
    the conversation goes on all the same.
    """
    place = _first_message(content)
    if place is None:
        return ""
    for window in WINDOWS:
        head = content[place : place + window].decode(errors="replace")
        with suppress(ValueError, RecursionError):  # longer than the window, or nothing that the API would accept
            return opening_of(_decoder.raw_decode(head)[0])
    return content[place : place + WINDOWS[0]].decode(errors="replace")


def _first_message(content: bytes) -> int | None:
    """Where the first message begins. A quote within a text is escaped: what is looked for stands in none."""
    place = content.find(_MESSAGES)
    while place >= 0:
        place += len(_MESSAGES)
        found = _LIST.match(content, place)
        if found is not None:
            return found.end()
        place = content.find(_MESSAGES, place)
    return None


class Sampling:
    """
    Takes whole conversations or leaves them, by their keyed hashes alone, so that all processes take the same ones.

    Those of a smaller share are among those of a larger. A conversation of which a call may have been missed would
    tell of a cache that it never met: it is left out for an hour, and so is after a loss, or a raise of the share, one
    that was not seen to begin since. Which calls are lost to a full queue nobody knows; so all that were under way may
    have lost one.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.share = 1.0
        self._halved_at = self._lost_at = _ALWAYS
        self._period: tuple[float, float] | None = None
        """Since when it goes well, and the CPU time that was spent until then."""
        self._raises: list[tuple[float, float]] = []
        """When, and from what share."""
        self._known: OrderedDict[str, float] = OrderedDict()
        """By conversation, when its first call was sent; `_ALWAYS` for one that was met in its middle."""
        self._out: OrderedDict[str, float] = OrderedDict()
        """By conversation, when a call of it was lost."""

    def takes(self, hash_: str) -> bool:
        """Whether a conversation of that hash (hex) is in the sample, whatever is known of it."""
        return _value(hash_) < self.share

    def whole(self, hash_: str, at: float, *, begins: bool) -> bool:
        """Whether nothing of it was missed; to be told of each of its calls, with when it was sent."""
        since = self._known.get(hash_, at if begins else _ALWAYS)
        _keep(self._known, hash_, min(since, at))
        gap = max(self._lost_at, self._entered(hash_))
        return at - self._out.get(hash_, _ALWAYS) >= GAP_SECONDS and (since > gap or at - gap >= GAP_SECONDS)

    def gone(self, at: float) -> bool:
        """Whether a call sent then can be of no whole conversation, however that began: another was lost since."""
        return at <= self._lost_at

    def lost(self, at: float) -> None:
        """A call was lost, and nobody knows whose."""
        self._lost_at = max(self._lost_at, at)
        self._period = None

    def lost_of(self, hash_: str, at: float) -> None:
        """A call of this conversation was lost."""
        _keep(self._out, hash_, at)

    def halve(self, *, at_once: bool = False) -> None:
        """There is too much to do. No more than once in a while, unless calls are being lost."""
        now = self._clock()
        if at_once or now - self._halved_at >= HALVE_SECONDS:
            self.share = max(LEAST, self.share / 2)
            self._halved_at = now
        self._period = None

    def look(self, spent: float) -> None:
        """Raise the share where twice the work of late would have been no trouble; `spent`: CPU seconds ever."""
        now = self._clock()
        began, spent_then = self._period = self._period or (now, spent)
        if now - began < RAISE_SECONDS:
            return
        self._period = now, spent
        if self.share < 1.0 and 2 * (spent - spent_then) <= SHARE * (now - began):
            self._raises = [one for one in self._raises if now - one[0] < GAP_SECONDS]
            self._raises.append((now, self.share))
            self.share *= 2

    def _entered(self, hash_: str) -> float:
        """When a conversation of that hash last came into the sample by a raise."""
        value = _value(hash_)
        return max((at for at, before in self._raises if value >= before), default=_ALWAYS)


def _keep(memory: OrderedDict[str, float], hash_: str, at: float) -> None:
    memory[hash_] = at
    memory.move_to_end(hash_)
    while len(memory) > MEMORY:
        memory.popitem(last=False)


def _value(hash_: str) -> float:
    """Evenly between 0 and 1."""
    return int(hash_[:13], 16) / 16**13
