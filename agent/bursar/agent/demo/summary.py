"""What the demo shows at its end, as data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlite_utils import Database

from bursar.agent.demo.lever import Lever
from bursar.agent.ledger import batchreports, deferralbook, reports

_ALL = 10**9


@dataclass(frozen=True, slots=True)
class Summary:
    """
    Amounts in nano-dollars.

    `steps` says how often each action was taken: on calls, and in messages; `alerts` what Slack received of each step.
    """

    ledger_nano_usd: int
    sandbox_nano_usd: int
    limit_nano_usd: int
    overspend_nano_usd: int
    calls: int
    charges: int
    steps: Mapping[str, int]
    alerts: Mapping[str, int]
    by_route: Mapping[str, int]
    by_model: Mapping[str, int]
    put_off: Mapping[str, int]
    """How many calls were put off, how many of their answers were handed over, and what that saved."""
    lever: Lever | None = None
    """What following the first recommendation saves."""

    def to_json(self) -> dict[str, Any]:
        """As `bursar demo --json` prints it."""
        told = asdict(self)
        if self.lever is not None:
            told["lever"]["saved_nano_usd"] = self.lever.saved_nano_usd
        return told


def summarise(
    db: Database,
    *,
    since_ns: int,
    until_ns: int,
    billed: int,
    limit: int,
    alerts: Mapping[str, int],
) -> Summary:
    """The ledger's side beside the sandbox's: two accounts that share no code."""
    total = reports.totals(db, since_ns, until_ns)
    decisions = reports.decisions(db, since_ns, until_ns, limit=_ALL)
    acted = Counter(action for action, _ in {(row["action"], row["call_id"]) for row in decisions})
    return Summary(
        ledger_nano_usd=total["nano_usd"],
        sandbox_nano_usd=billed,
        limit_nano_usd=limit,
        overspend_nano_usd=max(total["nano_usd"] - limit, billed - limit, 0),
        calls=total["calls"],
        charges=total["charges"],
        steps={**dict(sorted(acted.items())), "alert": sum(alerts.values())},
        alerts=alerts,
        by_route=_spend(db, "route", since_ns, until_ns),
        by_model=_spend(db, "model", since_ns, until_ns),
        put_off=_put_off(db, until_ns),
    )


def _put_off(db: Database, until_ns: int) -> dict[str, int]:
    deferrals = deferralbook.newest(db, _ALL)
    batches = batchreports.batches(db, now_ns=until_ns, limit=_ALL)
    return {
        "calls": len(deferrals),
        "delivered": sum(deferral.delivered_ns is not None for deferral in deferrals),
        "saved_nano_usd": sum(row["saved_nano_usd"] for row in batches),
    }


def _spend(db: Database, key: str, since_ns: int, until_ns: int) -> dict[str, int]:
    return {str(row[key]): row["nano_usd"] for row in reports.by(db, [key], since_ns, until_ns)}
