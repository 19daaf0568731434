"""How far are batches, what did they save, and which calls are put off?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from sqlite_utils import Database

from bursar.agent.dashboard.asking import Asked
from bursar.agent.dashboard.page import Now, Page
from bursar.agent.dashboard.table import Column, Kind, Row, Table
from bursar.agent.ledger import batchbook, batchreports

SHOWN = 20
"""Batches of one page."""
DEFERRALS = 50
MOST_SUMMED = 10_000
"""Requests whose costs one page sums."""
_BATCHES: Final = (
    Column("batch", "Batch", sortable=False, whole=True),
    Column("state", "State", sortable=False, whole=True),
    Column("progress", "Progress", Kind.PROGRESS, "Before the end the API counts nothing: until then time alone tells"),
    Column("requests", "Requests", Kind.COUNT),
    Column("outcomes", "Outcomes", sortable=False, whole=True),
    Column("expected", "Likely ends", Kind.UNTIL),
    Column("paid", "Paid", Kind.MONEY),
    Column("ordinary", "At once", Kind.MONEY, "The same usage at ordinary prices"),
    Column("saved", "Saved", Kind.MONEY),
    Column("made", "Made", Kind.INSTANT),
    Column("sent", "Sent", Kind.INSTANT),
    Column("ended", "Ended", Kind.INSTANT),
    Column("by", "Sent because of", sortable=False),
    Column("why", "What went wrong", sortable=False),
)
_DEFERRALS: Final = (
    Column("id", "Call", sortable=False, whole=True),
    Column("state", "State", sortable=False, whole=True),
    Column("route", "Route", sortable=False, whole=True),
    Column("model", "Model", sortable=False, whole=True),
    Column("cost", "Cost", Kind.MONEY),
    Column("due", "Due", Kind.UNTIL),
    Column("attempts", "Attempts", Kind.COUNT),
    Column("taken", "Taken", Kind.INSTANT),
    Column("ended", "Ended", Kind.INSTANT),
    Column("key", "Key", sortable=False),
    Column("batch", "Batch", sortable=False, whole=True),
    Column("why", "What went wrong", sortable=False),
)
_NONE = "No call was put off yet. A route with `may_wait` and a step `batch` has them put off, or `defer` in the code."


def batches_page(db: Database, asked: Asked, now: Now) -> Page:
    """The newest batches, what waits to be sent, and the newest calls that are put off."""
    chosen = batchbook.newest(db, SHOWN, after=(asked.page - 1) * SHOWN)
    rows = batchreports.rows_of(db, chosen, now_ns=now.ns, most=MOST_SUMMED)
    open_ones = batchbook.unfinished(db)
    saved = [row["saved_nano_usd"] for row in rows if row["saved_nano_usd"] is not None]
    data = {
        "queued": batchreports.queued(db),
        "under_way": len(open_ones),
        "under_way_requests": sum(batch.items for batch in open_ones),
        "saved": sum(saved),
        "summed": len(saved),
        "shown": len(rows),
        "total": batchbook.count(db),
        "size": SHOWN,
    }
    every = batchreports.deferrals(db, limit=DEFERRALS, every=True)
    return Page("batches", "Batches", data, (batch_table(rows, asked), _deferrals(every, asked)))


def batch_table(rows: list[dict[str, Any]], asked: Asked) -> Table:
    """A row for each batch."""
    return Table("batches", "Batches", _BATCHES, tuple(_row(row, asked) for row in rows), _NONE).sorted_by(asked.sort)


def address(batch: str, asked: Asked) -> str:
    """Where a batch's page is."""
    return asked.link(f"/batches/{quote(batch, safe='')}")


def _row(row: Mapping[str, Any], asked: Asked) -> Row:
    over = row["ended_ns"] is not None
    wrong = any(name not in ("succeeded", "processing") for name in row["outcomes"])
    return Row(
        {
            "batch": row["api_id"] or row["id"], "state": str(row["state"]).replace("_", " "),
            "progress": row["progress"], "requests": row["requests"],
            "outcomes": ", ".join(f"{count:,} {name}" for name, count in row["outcomes"].items()) or None,
            "made": row["made_ns"], "sent": row["submitted_ns"], "ended": row["ended_ns"],
            "expected": None if over else row["expected_ns"], "paid": row["nano_usd"],
            "ordinary": row["ordinary_nano_usd"], "saved": row["saved_nano_usd"], "by": row["sent_by"] or None,
            "why": row["why"] or None,
        },
        href=address(row["id"], asked),
        badges={"outcomes": "bad"} if wrong else {},
    )  # fmt: skip


def _deferrals(rows: list[dict[str, Any]], asked: Asked) -> Table:
    made = (
        Row(
            {
                "id": row["id"], "state": str(row["state"]).replace("_", " "), "route": row["route"],
                "key": row["key"] or None, "model": row["model"], "taken": row["taken_ns"],
                "due": None if row["ended_ns"] else row["due_ns"], "ended": row["ended_ns"],
                "attempts": row["attempts"], "cost": row["nano_usd"] or None, "batch": row["batch"],
                "why": row["why"] or None,
            },
            href=asked.link(f"/calls/{quote(row['attempt'], safe='')}"),
            links={"batch": address(row["batch"], asked)} if row["batch"] else {},
        )
        for row in rows
    )  # fmt: skip
    return Table("deferrals", f"The last {DEFERRALS} calls put off", _DEFERRALS, tuple(made), _NONE).sorted_by(
        asked.sort
    )
