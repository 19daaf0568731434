"""What is put away when it is old, a little at a time, so that no guard waits for it?"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

from sqlite_utils import Database

from bursar.agent.ledger import Ledger, LedgerError, printbook, rollups

_log = logging.getLogger(__name__)

CHUNKS = 50
"""At most so many a run: what is left is the next run's."""


class Housekeeping:
    """Rolls up what is older than it is kept, forgets what nothing asks for, and marks how far the ledger has come."""

    def __init__(self, ledger: Ledger, *, clock_ns: Callable[[], int]) -> None:
        self._ledger = ledger
        self._clock_ns = clock_ns
        self._stopped = False

    def run(self) -> None:
        """One round; in a thread of its own. A ledger that cannot be written is left for the next round."""
        now_ns = self._clock_ns()
        before_ns = now_ns - rollups.KEPT_DAYS * rollups.DAY_NS
        before_ns -= before_ns % rollups.HOUR_NS
        place: rollups.Place | None = None
        try:
            for _ in range(CHUNKS):
                if self._stopped:
                    return
                place = self._ledger.submit(partial(_roll_up, before_ns=before_ns, after=place)).result()
                if place is None:
                    break
            for _ in range(CHUNKS):
                purge = partial(printbook.purge, before_ns=before_ns, limit=rollups.CHUNK)
                if self._stopped or self._ledger.submit(purge).result() < rollups.CHUNK:
                    break
            self._ledger.submit(partial(rollups.prune, now_ns=now_ns)).result()
            self._ledger.leave_mark().result()
        except LedgerError as error:
            _log.warning("old calls are kept for now: %s", error)

    def stop(self) -> None:
        """Go no further than the chunk at hand."""
        self._stopped = True


def _roll_up(db: Database, *, before_ns: int, after: rollups.Place | None) -> rollups.Place | None:
    return rollups.roll_up(db, before_ns, after)
