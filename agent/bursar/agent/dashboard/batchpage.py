"""What became of one batch, request by request?"""

from __future__ import annotations

import shlex
from typing import Final
from urllib.parse import quote

from sqlite_utils import Database

from bursar.agent.dashboard.asking import Asked
from bursar.agent.dashboard.batchespage import MOST_SUMMED, batch_table
from bursar.agent.dashboard.page import NotThereError, Now, Page
from bursar.agent.dashboard.table import Column, Kind, Row, Table
from bursar.agent.ledger import batchbook, batchreports
from bursar.agent.ledger.batchbook import Request

SHOWN = 100
"""Requests of one page."""
_REQUESTS: Final = (
    Column("attempt", "Request", sortable=False, whole=True),
    Column("outcome", "Outcome", sortable=False),
    Column("route", "Route", sortable=False, whole=True),
    Column("model", "Model", sortable=False, whole=True),
    Column("cost", "Cost", Kind.MONEY, sortable=False),
    Column("input", "Input tokens", Kind.COUNT, sortable=False),
    Column("output", "Output tokens", Kind.COUNT, sortable=False),
    Column("ended", "Known since", Kind.INSTANT, sortable=False),
    Column("detail", "What went wrong", sortable=False),
)


def batch_page(db: Database, asked: Asked, now: Now) -> Page:
    """One batch, by its name here or at the API. Raises `NotThereError`."""
    batch = batchbook.find(db, asked.name)
    if batch is None:
        raise NotThereError(f"There is no batch {asked.name!r}: the page of batches lists them all.")
    (row,) = batchreports.rows_of(db, [batch], now_ns=now.ns, most=MOST_SUMMED)
    after = "" if asked.before is None else asked.before[1]
    found = batchbook.requests(db, batch.id, SHOWN + 1, after=after)
    requests = tuple(_request(one, asked) for one in found[:SHOWN])
    empty = "Nothing is in it: what was put off waits for its turn, and is put in when the batch is sent."
    table = Table("requests", "Requests", _REQUESTS, requests, empty)
    data = {
        "row": row,
        "more": found[SHOWN - 1].attempt_id if len(found) > SHOWN else None,
        "named": shlex.quote(batch.id),
        "under_way": batch.ended_ns is None,
    }
    return Page("batch", batch.api_id or batch.id, data, (batch_table([row], asked), table))


def _request(one: Request, asked: Asked) -> Row:
    outcome = one.outcome or "processing"
    return Row(
        {
            "attempt": one.attempt_id, "outcome": outcome, "route": one.route, "model": one.model,
            "cost": one.cost_nano, "input": one.input, "output": one.output, "ended": one.ended_ns,
            "detail": one.detail or None,
        },
        href=asked.link(f"/calls/{quote(one.attempt_id, safe='')}"),
        badges={} if outcome in ("succeeded", "processing") else {"outcome": "bad"},
    )  # fmt: skip
