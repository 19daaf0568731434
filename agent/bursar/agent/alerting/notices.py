"""What beside steps is told of a balance: that it burns, that it will not last, that it creeps up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import date
from typing import Any, Literal

from bursar.policies.amounts import Unit
from bursar.policies.outlook.burn import Burn
from bursar.policies.outlook.creep import Creep
from bursar.policies.outlook.forecast import Forecast

NoticeName = Literal["burn rate", "forecast", "creep"]


@dataclass(frozen=True, slots=True)
class Subject:
    """The balance that it is about. Amounts in `unit`: nano-dollars for `usd`, else whole tokens or calls."""

    balance: str
    budget: str
    scope: str
    window_start: str
    window_end: str | None
    spent: int
    expected: int
    limit: int
    unit: Unit = "usd"
    acts: bool = True
    """False where the budget only observes."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing that was noticed, for one channel. Plain data, kept as JSON."""

    name: NoticeName
    step: str
    """What it stands under in the outbox, once for ever: its name, and the day of those that may come again."""
    channel: str
    about: Subject
    figures: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Those of `Burn`, `Forecast` or `Creep`."""


def burn_notice(about: Subject, found: Burn, day: date) -> Notice:
    """A burn rate is told once a day."""
    return Notice("burn rate", f"burn rate {day}", "", about, asdict(found))


def forecast_notice(about: Subject, found: Forecast) -> Notice:
    """A forecast is told once a window."""
    return Notice("forecast", "forecast", "", about, asdict(found))


def creep_notice(about: Subject, found: Creep, day: date) -> Notice:
    """A creep is told once for the day that brought it; `day` is that day."""
    return Notice("creep", f"creep {day}", "", about, {**asdict(found), "date": day.isoformat()})


def to_payload(notice: Notice) -> dict[str, Any]:
    """As the ledger keeps it: flat, under the same names as a step's."""
    plain = asdict(notice)
    return {"kind": "notice", **plain.pop("about"), **plain}


def from_payload(payload: Mapping[str, Any]) -> Notice:
    """What `to_payload` made; fields of a later version are passed over."""
    about = Subject(**dict(_known(Subject, payload)))
    return Notice(about=about, **dict(_known(Notice, payload)))


def _known(kind: type[Any], payload: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    return ((each.name, payload[each.name]) for each in fields(kind) if each.name in payload)
