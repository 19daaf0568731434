"""What is one page: what it is about, what its template is given, and which tables stand on it?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo

from sqlite_utils import Database

from bursar.agent.alerting.outlook import Memories
from bursar.agent.dashboard.asking import Asked
from bursar.agent.dashboard.table import Table
from bursar.policies.policy import Policy
from bursar.policies.prices import PriceBook


class NotThereError(LookupError):
    """A page about something that the ledger does not have; the text says what, and what to do."""


@dataclass(frozen=True, slots=True)
class Now:
    """What a page is made of beside the ledger: the instant, and what is in force at it."""

    ns: int
    tz: tzinfo
    prices: PriceBook
    policy: Policy | None = None
    memories: Memories = field(default_factory=Memories, compare=False)
    """What was worked out of the past, which pages of one day share."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page, read and understood, ready for its template."""

    template: str
    """Its name, without `.html`."""
    title: str
    data: Mapping[str, object] = field(default_factory=dict[str, object])
    tables: tuple[Table, ...] = ()
    """Each by its name also as CSV."""

    def table(self, name: str) -> Table:
        """One of its tables. Raises `NotThereError`."""
        for table in self.tables:
            if table.name == name:
                return table
        raise NotThereError(
            f"this page has no table {name!r}: it has {', '.join(t.name for t in self.tables) or 'none'}"
        )


Maker = Callable[[Database, Asked, Now], Page]
"""How each page is read: from the ledger as last committed, for what its address asks. Raises `NotThereError`."""
