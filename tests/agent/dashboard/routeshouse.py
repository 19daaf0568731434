"""Pages over a ledger of some routes: what tests of both routes' pages ask."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.agent.dashboard.test_pages import NOON_NS, House
from tests.agent.ledger.booked import OPUS, SONNET, used
from tests.agent.ledger.test_printbook import block

from bursar.agent.ledger import advicebook, printbook
from bursar.agent.ledger.advicebook import Kept
from bursar.policies.fingerprint import Fingerprint, Section
from bursar.policies.records import Decided, Record, Released, Sent, Settled
from bursar.policies.usage import Usage

NOON = NOON_NS // 10**9
SCRIPT, HANDLER, LONG = "<script>alert(1)</script>", '"onmouseover="alert(1)', "x" * 200
HAIKU = "claude-haiku-5-5"
SLASHED, UNICODE = "desk/a?b#c:d 100%", "größe/日本"
NAMES = (SCRIPT, HANDLER, LONG, SLASHED, UNICODE)
ADVICE: dict[str, Any] = {
    "id": "7a257096",
    "kind": "cut",
    "route": "chat",
    "model": OPUS,
    "advised": True,
    "saving_nano_usd_per_day": {"from": 0, "expected": 173_125_000, "to": 346_250_000},
    "text": "Mark system for 5m: <b>now</b>.",
    "assumes": None,
    "snippet": 'system=[{"cache_control": {"type": "ephemeral"}}]',
    "evidence": {"calls": 43, "share_read": 0.0, "marks": [{"place": "system", "ttl": "5m"}]},
    "dismissed": None,
}


class RoutesHouse(House):
    """
    The three calls of `desk`, four of `chat`, one of `mail`, and one of each name that is awkward.

    `chat`: of Opus 5.5, one went to Haiku 5.5; each has 4,000 tokens, of which a quarter was read from the cache.
    One more failed, and one was refused. `mail` was two hours ago, for a tenant.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        usage = Usage(input=3_000, cache_read=1_000, output=100)
        for number in range(4):
            model = HAIKU if number == 3 else OPUS
            action = "downgrade" if number == 3 else "go"
            self.book(
                used(
                    f"c{number}", usage, model=model, requested=OPUS, at=NOON - 60 * number, route="chat", action=action
                )
            )
        self.book(
            used("m1", Usage(input=10_000, output=10), model=SONNET, at=NOON - 7_200, route="mail"), tenant="acme"
        )
        for number, name in enumerate(NAMES):
            self.book(used(f"n{number}", Usage(input=10), at=NOON - 100, route=name))
        failed = used("c9", usage, at=NOON - 30, route="chat")[0]
        self.book([failed, Released("c9", "http 529"), Decided("c8", NOON_NS - 1, "chat", OPUS, "block", "spent")])
        self.ledger.submit(
            lambda db: printbook.keep(db, [self._print(number) for number in range(4)], NOON_NS)
        ).result()
        self.ledger.submit(lambda db: advicebook.keep(db, Kept(NOON_NS, NOON_NS - 7, NOON_NS - 1, [ADVICE]))).result()

    def book(self, records: Sequence[Record], **labels: str) -> None:
        """A settled call took a second, its first token a quarter of that."""
        told = [_told(one, labels) for one in records]
        self.ledger.book(told, holder="h", policy=None).result()

    def page(self, url: str) -> str:
        """Its HTML."""
        (answer,) = self.get(url)
        assert answer.status_code == 200, answer.text
        return answer.text

    def csv(self, url: str, table: str) -> list[str]:
        """The lines of one of its tables."""
        (answer,) = self.get(f"{url}{'&' if '?' in url else '?'}table={table}")
        assert answer.status_code == 200, answer.text
        return answer.text.splitlines()

    @staticmethod
    def _print(number: int) -> Fingerprint:
        question = replace(block(number + 2), section=Section.MESSAGES, role="user")
        return Fingerprint(f"c{number}", (block(1), question))


def _told(one: Record, labels: Mapping[str, str]) -> Record:
    if isinstance(one, Settled):
        return replace(one, charge=replace(one.charge, duration_ns=10**9, first_token_ns=25 * 10**7, labels=labels))
    return replace(one, labels=labels) if isinstance(one, Sent) else one


def texts(html: str) -> str:
    """What people read of a page, without its tags."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html))
