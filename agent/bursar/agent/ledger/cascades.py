"""What became of each two-stage cascade: which parts it had, and what each used and cost?"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from sqlite_utils import Database

from bursar.agent.ledger.life import State
from bursar.policies.cascade import StageName
from bursar.policies.charge import Basis
from bursar.policies.usage import Usage


@dataclass(frozen=True, slots=True)
class Played:
    """One attempt of a cascade. Its cost is in nano-dollars, and None where nobody knows it, or it cost nothing."""

    stage: str
    state: State
    route: str
    requested_model: str
    model: str
    at_ns: int
    cost_nano: int | None
    basis: Basis | None
    usage: Usage
    modifiers: tuple[str, ...]

    @property
    def charged(self) -> bool:
        """Whether it counts as having cost something, known or not."""
        return self.state in (State.SETTLED, State.ORPHANED)


@dataclass(frozen=True, slots=True)
class Cascade:
    """All that the ledger has of one; the cheap part came first."""

    id: str
    strong_model: str
    escalation: str
    """Why the strong model was asked; empty where it was not."""
    refused: bool
    """Whether a budget refused the strong call."""
    parts: tuple[Played, ...]

    def of(self, stage: StageName) -> list[Played]:
        """The attempts of one part."""
        return [part for part in self.parts if part.stage == stage]


_USAGE = tuple(Usage.__dataclass_fields__)
_NAMES = ("stage", "state", "route", "requested_model", "model", "at_ns", "cost_nano", "basis", "modifiers")
_BEGUN = """
    cascade IN (SELECT cascade FROM attempts WHERE cascade IS NOT NULL AND stage = 'cheap'
        GROUP BY cascade HAVING min(at_ns) >= ? AND min(at_ns) < ?)
"""


def cascades(db: Database, since_ns: int, until_ns: int) -> Iterator[Cascade]:
    """Every cascade whose first call was sent from one instant to (not including) another, whole."""
    stretch = [since_ns, until_ns]
    refused: dict[str, str] = dict(
        db.conn.execute(
            f"SELECT cascade, escalation FROM decisions WHERE {_BEGUN} AND action = 'block' AND stage = 'strong'",
            stretch,
        ).fetchall()
    )
    columns = ", ".join(("cascade", "strong_model", "escalation", *_NAMES, *_USAGE))
    rows = db.conn.execute(
        f"SELECT {columns} FROM attempts WHERE {_BEGUN} AND duplicate_of IS NULL ORDER BY cascade, at_ns, attempt_id",
        stretch,
    )
    for name, group in groupby(rows, key=lambda row: str(row[0])):
        found = list(group)
        yield Cascade(
            name,
            strong_model=str(found[0][1]),
            escalation=max(str(row[2] or "") for row in found) or refused.get(name, ""),
            refused=name in refused,
            parts=tuple(_played(row[3:]) for row in found),
        )


def _played(row: Sequence[Any]) -> Played:
    told = dict(zip((*_NAMES, *_USAGE), row, strict=True))
    return Played(
        stage=told["stage"],
        state=State(told["state"]),
        route=told["route"],
        requested_model=told["requested_model"],
        model=told["model"],
        at_ns=told["at_ns"],
        cost_nano=told["cost_nano"],
        basis=None if told["basis"] is None else Basis(told["basis"]),
        usage=Usage(**{name: told[name] or 0 for name in _USAGE}),
        modifiers=tuple(json.loads(told["modifiers"] or "[]")),
    )
