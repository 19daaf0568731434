"""Which processes have fallen silent with money in their hands?"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from sqlite_utils import Database

from bursar.agent.ledger import holders
from bursar.policies.amounts import usd
from bursar.policies.protocol import Holder

_log = logging.getLogger(__name__)

SILENT_SECONDS = 60
"""Guards are heard of once a second; a process that is paused for a while is no reason to speak."""

_SECOND = 10**9


@dataclass(frozen=True, slots=True)
class Silent:
    """A process that was not heard of for a while."""

    holder: Holder
    seconds: int
    out_nano: int
    """The most that is lent to it in one balance whose window has not ended, in nano-dollars."""


def silent(db: Database, now_ns: int) -> list[Silent]:
    """Processes not heard of for a minute, to which money is lent that others could use; the longest silent first."""
    found: list[Silent] = []
    for known in holders.unfinished(db):
        if known.holder.id == holders.OWN:
            continue
        seconds = (now_ns - known.last_seen_ns) // _SECOND
        if seconds >= SILENT_SECONDS and (out := _out(db, known.holder.id, now_ns)):
            found.append(Silent(known.holder, seconds, out))
    return found


class Silence:
    """Says once of each process that it is silent. The money stays where it is: no clock proves a death."""

    def __init__(self) -> None:
        self._told: frozenset[str] = frozenset()

    def tell(self, found: list[Silent]) -> None:
        """Log those that are newly silent; one that is heard of again may be told again later."""
        for each in found:
            if each.holder.id not in self._told:
                _log.warning(
                    "process %d on %s (%s) has been silent for %d s and holds up to %s USD of one balance; it comes "
                    "back once the process answers, or its journal in the agent's state folder is found unlocked",
                    each.holder.pid,
                    each.holder.host,
                    each.holder.service or each.holder.id,
                    each.seconds,
                    usd(each.out_nano),
                )
        self._told = frozenset(each.holder.id for each in found)


def _out(db: Database, holder_id: str, now_ns: int) -> int:
    row = db.conn.execute(
        """
        SELECT coalesce(max(granted - returned - charged), 0)
        FROM leases JOIN balances ON balances.key = leases.balance
        WHERE holder = ? AND (window_end IS NULL OR window_end > ?)
        """,
        [holder_id, now_ns],
    ).fetchone()
    return int(row[0])
