"""What did evals say, and which of them vouch for a model?"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from sqlite_utils import Database

from bursar.policies.licence import Licence


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One run of `bursar eval`: of so many samples of a route, how often a candidate agreed with the reference."""

    route: str
    candidate: str
    reference: str
    at_ns: int
    samples: int
    """Those that were looked at, the ones without a score included."""
    scored: int
    agreement: float
    low: float
    """Of its 95% interval, as `high`."""
    high: float
    bar: float
    passed: bool
    score: str
    cost_nano: int
    """What the run cost, in nano-dollars."""
    detail: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What else was found, without any content."""


_COLUMNS = tuple(one.name for one in fields(Evaluation))


def keep(db: Database, evaluation: Evaluation) -> None:
    """Add one."""
    row = {**asdict(evaluation), "passed": int(evaluation.passed), "detail": json.dumps(dict(evaluation.detail))}
    names = ", ".join(f":{name}" for name in _COLUMNS)
    db.conn.execute(f"INSERT INTO evals ({', '.join(_COLUMNS)}) VALUES ({names})", row)


def history(db: Database) -> list[Evaluation]:
    """All of them, the newest first."""
    rows = db.conn.execute(f"SELECT {', '.join(_COLUMNS)} FROM evals ORDER BY at_ns DESC, id DESC").fetchall()
    return [_evaluation(dict(zip(_COLUMNS, row, strict=True))) for row in rows]


def licences(db: Database) -> list[Licence]:
    """What each says of its pair of route and model, the oldest first: the newest counts."""
    rows = db.conn.execute("SELECT route, candidate, at_ns, passed FROM evals ORDER BY at_ns, id")
    return [Licence(route, model, at_ns, bool(passed)) for route, model, at_ns, passed in rows]


def from_json(told: Mapping[str, Any]) -> Evaluation:
    """One that a command tells. Raises `KeyError`, `TypeError` or `ValueError` for what is none."""
    row: dict[str, Any] = {name: _text(told[name]) for name in ("route", "candidate", "reference", "score")}
    row |= {name: _whole(told[name]) for name in ("at_ns", "samples", "scored", "cost_nano")}
    row |= {name: _share(told[name]) for name in ("agreement", "low", "high", "bar")}
    passed = told["passed"] is True and row["low"] >= row["bar"]
    return Evaluation(**row, passed=passed, detail=dict(told.get("detail", {})))


def _evaluation(row: dict[str, Any]) -> Evaluation:
    row["passed"], row["detail"] = bool(row["passed"]), json.loads(row["detail"])
    return Evaluation(**row)


def _text(told: object) -> str:
    if not isinstance(told, str) or not told:
        raise TypeError(f"a text is expected, not {ascii(told)[:40]}")
    return told


def _whole(told: object) -> int:
    if not isinstance(told, int) or not 0 <= told < 2**63:
        raise TypeError(f"a whole number is expected, not {ascii(told)[:40]}")
    return int(told)


def _share(told: object) -> float:
    if not isinstance(told, int | float) or not 0 <= told <= 1:
        raise TypeError(f"a share from 0 to 1 is expected, not {ascii(told)[:40]}")
    return float(told)
