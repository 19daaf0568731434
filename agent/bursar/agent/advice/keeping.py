"""When is all advice worked out anew, for the pages and for `cache = "auto"`?"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from bursar.agent.ledger import Ledger, LedgerError, advicebook
from bursar.agent.ledger.advicebook import Kept

_log = logging.getLogger(__name__)

_MINUTE_NS = 60 * 10**9
LOOK_BACK_NS = 7 * 86_400 * 10**9
"""The traffic that advice is made from."""
AFTER_START_NS = 2 * _MINUTE_NS
"""An agent that has just started has others to serve first."""
LEAST_REST_NS = 10 * _MINUTE_NS
MOST_REST_NS = 6 * 60 * _MINUTE_NS
REST_TIMES = 100
"""It rests so many times as long as it took, so that it costs a hundredth of one processor while that is possible."""

Ask = Callable[[int], Sequence[Mapping[str, Any]] | None]
"""What is advised of the calls of the last so many nanoseconds; None where that cannot be told. Takes long."""


class Keeping:
    """Works the advice out and keeps it in the ledger, where all who show it or act on it read the same."""

    def __init__(self, ledger: Ledger, ask: Ask, *, clock_ns: Callable[[], int]) -> None:
        self._ledger = ledger
        self._ask = ask
        self._clock_ns = clock_ns
        self._not_before_ns = clock_ns() + AFTER_START_NS

    def look(self) -> None:
        """Work it out where it is due; in a thread of its own, since that takes long."""
        now_ns = self._clock_ns()
        try:
            with self._ledger.reading() as db:
                kept = advicebook.latest(db)
                since_ns = now_ns - LOOK_BACK_NS if kept is None else kept.until_ns
                wanted = now_ns >= self._not_before_ns and due(kept, now_ns) and advicebook.asked_since(db, since_ns)
            if wanted:
                self._work_out(now_ns)
        except LedgerError as error:
            _log.warning("what could be saved stays as it was last worked out: %s", error)

    def _work_out(self, now_ns: int) -> None:
        found = self._ask(LOOK_BACK_NS)
        at_ns = self._clock_ns()
        self._not_before_ns = at_ns + rest_ns(at_ns - now_ns)
        if found is not None:
            kept = Kept(at_ns, now_ns - LOOK_BACK_NS, now_ns, found)
            self._ledger.submit(partial(advicebook.keep, kept=kept)).result()


def due(kept: Kept | None, now_ns: int) -> bool:
    """Whether what is kept has had its rest; also where it is of a time to come, since then a clock was wrong."""
    return kept is None or not 0 <= now_ns - kept.at_ns < rest_ns(kept.at_ns - kept.until_ns)


def rest_ns(took_ns: int) -> int:
    """For how long advice stands that took so long: ten minutes while it takes seconds, six hours at most."""
    return min(max(REST_TIMES * took_ns, LEAST_REST_NS), MOST_REST_NS)
