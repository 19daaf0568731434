"""What is a good request to each of the agent's endpoints, made of the messages that processes and commands send?"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from tests.agent.spans.test_badinput import good_exports

from bursar.agent.batching.routes import CANCEL_BATCH
from bursar.agent.dashboard import entrance, pages
from bursar.agent.evals import desk as evals
from bursar.agent.ledger.evalbook import Evaluation
from bursar.agent.serving import desk, metrics
from bursar.policies import deferral, fingerprint, protocol, records, sample
from bursar.policies.charge import Basis, Charge, Line
from bursar.policies.credential import credential_id
from bursar.policies.deferral import Offer, WaitRequest, WithdrawRequest
from bursar.policies.fingerprint import Block, Break, Cause, Fingerprint, Prints, Section
from bursar.policies.protocol import Holder, Need, RecallRequest, SyncRequest
from bursar.policies.records import Decided, Released, Sent, Settled
from bursar.policies.sample import Sample
from bursar.policies.usage import Usage

JSON, FORM = "application/json", "application/x-www-form-urlencoded"
LIVE = "/live"
HELD = frozenset((protocol.RECALL_PATH, deferral.WAIT_PATH, LIVE))
"""Endpoints that answer, or go on, when there is something to tell."""
UNWAITED = frozenset((protocol.RECALL_PATH, LIVE))
"""Those of which a good request is not over soon."""
API_KEY = "sk-ant-bad-input"
BASE_URL = "http://127.0.0.1:9"
"""Nobody answers there: what is put off stays put off."""
ENVIRON = {"ANTHROPIC_API_KEY": API_KEY, "ANTHROPIC_BASE_URL": BASE_URL}
POLICY = """\
version = 1
mode = "enforce"
ladder = ["claude-sonnet-5-5", "claude-haiku-5-5"]

[[budget]]
name = "day"
per = ["tenant"]
limit = "1000 USD"
every = "day"
[budget.at]
"50%" = ["downgrade", "alert log"]
"90%" = "batch"
"100%" = "block"

[[budget]]
name = "rolled"
limit = "100M tokens"
every = "rolling 24h"
[budget.at]
"80%" = "alert log"
"5 USD in 10m" = "alert log"

[[route]]
name = "desk"
may_wait = "4h"
capture = "eval 100 for 1d"
"""
"""Under which every endpoint has something to do."""

_SECOND = 10**9


@dataclass(frozen=True, slots=True)
class Good:
    """A request that is taken as it stands."""

    path: str
    body: bytes = b""
    kind: str = JSON
    """Its media type."""
    method: str = "POST"
    route: str = ""
    """The endpoint, where it takes more than one path."""

    @property
    def endpoint(self) -> str:
        """As the agent names it."""
        return self.route or self.path


def good_requests(salt: str = "", *, mark: str = "1", now_ns: int | None = None) -> list[Good]:
    """
    At least one of each endpoint. `salt` is the agent's, by which it knows a credential.

    Those of another `mark` are of other calls.
    """
    now = time.time_ns() if now_ns is None else now_ns
    exports = [Good(path, body, kind) for path, body, kind in good_exports()]
    posted = [Good(path, json.dumps(told).encode()) for path, told in _messages(salt, mark, now)]
    return [*_asked(), *posted, *exports, Good(entrance.PATH, b"token=t&next=%2Fbudgets", FORM)]


def _asked() -> Iterator[Good]:
    """What is only read: pages come by themselves, each about something that need not be there."""
    for path in (metrics.PATH, "/healthz", "/readyz", LIVE, entrance.PATH):
        yield Good(path, method="GET")
    yield Good("/static/style.css", method="GET", route="/static/{name:path}")
    for place in pages.PLACES:
        yield Good(place.path.replace("{name:any}", "a"), method="GET", route=place.path)


def _messages(salt: str, mark: str, now_ns: int) -> Iterator[tuple[str, Any]]:
    yield from _of_processes(mark, now_ns)
    yield from _of_deferrals(salt, mark, now_ns)
    pause = {"kind": "pause", "budget": "rolled", "seconds": 60, "reason": "a test", "by": "it"}
    yield desk.OVERRIDES, pause
    yield desk.OVERRIDES, {**pause, "kind": "raise", "budget": "day", "amount": _SECOND, "unit": "usd", "scope": ""}
    yield desk.END, {"budget": "day", "by": "it"}
    yield desk.DISMISSALS, {name: f"{name}{mark}" for name in ("id", "route", "model", "reason", "by", "text")}
    scores = {"agreement": 0.9, "low": 0.8, "high": 0.95, "bar": 0.7, "passed": True, "score": "exact"}
    eval_ = Evaluation("desk", "claude-haiku-5-5", "claude-sonnet-5-5", now_ns, 20, 19, **scores, cost_nano=1_000)  # type: ignore[arg-type]
    yield evals.EVALS, asdict(eval_)
    yield evals.FORGET, {"route": "nobody's"}
    yield entrance.TICKETS, {"seconds": 60}


def _of_processes(mark: str, now_ns: int) -> Iterator[tuple[str, Any]]:
    holder = Holder(f"holder-{mark}", 42, "elsewhere", now_ns, "/nowhere/journal", "desk")
    key = "day|2026-11-21T00:00:00Z|tenant=acme"
    need = Need(f"need-{mark}", (key,), 10_000, 5_000, 7_000, 100, 50, 70)
    told = tuple(records.to_json(one) for one in _records(mark, now_ns))
    yield (
        protocol.PATH,
        protocol.to_json(
            SyncRequest(
                holder, 1, told, {key: 1_000}, {key: 20_000}, (need,), (key,), "s", knows=(protocol.RESERVES, "more")
            )
        ),
    )
    yield protocol.PATH, protocol.to_json(SyncRequest(holder, 2, goodbye=True))
    yield protocol.RECALL_PATH, protocol.to_json(RecallRequest(holder.id))
    yield fingerprint.PATH, fingerprint.to_json(_prints(mark))
    kept = Sample(f"att_{mark}", "desk", now_ns, "claude-sonnet-5-5", "", '{"messages": []}', '{"text": "yes"}')
    yield sample.PATH, asdict(kept)


def _records(mark: str, now_ns: int) -> Iterator[records.Record]:
    sent = Sent(
        attempt_id=f"att_{mark}",
        call_id=f"call_{mark}",
        at_ns=now_ns,
        route="desk",
        model="claude-sonnet-5-5",
        requested_model="claude-sonnet-5-5",
        labels={"tenant": "acme"},
        bound_nano=50_000,
        expected_nano=20_000,
        bound_tokens=2_000,
        expected_tokens=1_000,
        decision={"share": 0.5},
        effort="low",
    )
    yield sent
    yield Settled(
        Charge(
            attempt_id=sent.attempt_id,
            cost_nano_usd=30_000,
            usage=Usage(input=1_000, output=100),
            basis=Basis.USAGE,
            model=sent.model,
            requested_model=sent.model,
            route=sent.route,
            labels=sent.labels,
            call_id=sent.call_id,
            price_id="p",
            request_id=f"req_{mark}",
            response_id=f"msg_{mark}",
            at_ns=now_ns,
            lines=(Line("input", 1_000, 30_000, 30_000, sent.model, "p"),),
        )
    )
    yield Released(f"att_{mark}_2", "529")
    yield Decided(f"call_{mark}_3", now_ns, "desk", sent.model, "block", "spent", {"tenant": "acme"}, {"share": 1.0})


def _prints(mark: str) -> Prints:
    blocks = tuple(
        Block(f"{place:016x}", section, place, 0, "text", "", 400, 100, mark="5m" if place == 1 else "")
        for place, section in enumerate((Section.TOOLS, Section.SYSTEM, Section.MESSAGES))
    )
    broken = Break(1, 30, Cause.TIMESTAMP, 20, 50)
    one = Fingerprint(f"att_{mark}", blocks, "c" * 16, 0.5, 1_000, "5m", broken, "", {1: ("0a" * 4,)})
    return Prints(f"holder-{mark}", (one,))


def _of_deferrals(salt: str, mark: str, now_ns: int) -> Iterator[tuple[str, Any]]:
    known = credential_id(salt, base_url=BASE_URL, api_key=API_KEY, auth_token=None) if salt else None
    request = {"model": "claude-sonnet-5-5", "max_tokens": 100, "messages": [{"role": "user", "content": "hello"}]}
    offer = Offer(
        id=f"deferral-{mark}",
        call_id=f"call_{mark}_4",
        attempt_id=f"att_{mark}_4",
        at_ns=now_ns,
        due_ns=now_ns + 4 * 3600 * _SECOND,
        route="desk",
        model="claude-sonnet-5-5",
        requested_model="claude-sonnet-5-5",
        body=json.dumps(request),
        credential=known or "",
        labels={"tenant": "acme"},
        most=10_000,
        expected=5_000,
        most_tokens=200,
        expected_tokens=100,
        sync_most=20_000,
        sync_expected=10_000,
        reason="may_wait",
        decision={"share": 0.9},
    )
    yield deferral.PATH, deferral.to_json(offer)
    yield deferral.WAIT_PATH, deferral.to_json(WaitRequest((offer.id, "another"), seconds=0.01))
    yield deferral.WITHDRAW_PATH, deferral.to_json(WithdrawRequest(offer.id, why="no more"))
    yield CANCEL_BATCH, {"id": f"batch-{mark}"}
