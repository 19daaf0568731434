"""A stage for calls that are put off: an agent that keeps the contract and answers by script, on a real socket."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.instrumentation.scene import MODEL, USAGE, message

from bursar.instrumentation import defer, instrument, uninstrument
from bursar.instrumentation.runtime import current_runtime
from bursar.instrumentation.testing import Recorded, recorded
from bursar.policies import deferral, protocol
from bursar.policies.charge import Basis, Charge
from bursar.policies.credential import credential_id
from bursar.policies.deferral import Offer, Outcome, State, Taken, WaitResponse, WithdrawRequest
from bursar.policies.protocol import BalanceView, Snapshot, SyncResponse
from bursar.policies.usage import Usage

SALT = "5a" * 16
BASE_URL = "https://api.anthropic.com"
POLICY = """
version = 1
mode = "enforce"
ladder = ["claude-sonnet-5-5", "claude-haiku-5-5"]
[[budget]]
name = "month"
limit = "1 USD"
every = "month"
[budget.at]
"0%" = "batch"
[[route]]
name = "digest"
may_wait = "2h"
[[route]]
name = "chat"
may_wait = "2h"
streams_wait = true
"""
# Half of what its tokens cost at once, and searches in full: see `scene`.
BATCH_COST_NANO = (200_000 + 200_000 + 750_000 + 800_000 + 420_000) // 2 + 20_000_000

Accepts = Callable[[Offer], Taken]
Answers = Callable[[Offer], Outcome | None]


def deferred(create: Any, /, **parameters: Any) -> Any:
    """`defer` with a client of these tests, of which no type is known."""
    return defer(create, **parameters)


def takes(offer: Offer) -> Taken:
    return Taken(offer.id, accepted=True)


def refuses(reason: str, balance: str = "") -> Accepts:
    return lambda offer: Taken(offer.id, accepted=False, reason=reason, balance=balance)


def charge(offer: Offer, **changes: Any) -> dict[str, Any]:
    """What the agent has booked for the answer of `scene`."""
    made = Charge(
        attempt_id=offer.attempt_id,
        cost_nano_usd=BATCH_COST_NANO,
        usage=Usage(100, 2000, 300, 200, 42, 10, 2, 1),
        basis=Basis.USAGE,
        model=MODEL,
        requested_model=offer.requested_model,
        route=offer.route,
        call_id=offer.call_id,
        labels=offer.labels,
        response_id="msg_1",
        at_ns=offer.at_ns,
        modifiers=("batch",),
        action="batch",
        reason=offer.reason,
    )
    return {**asdict(made), **changes}


def succeeds(offer: Offer, **changes: Any) -> Outcome:
    """The answer of `scene`, out of a batch."""
    text = json.dumps(message(usage={**USAGE, "service_tier": "batch"}, **changes))
    return Outcome(
        offer.id, State.SUCCEEDED, message=text, request_id="req_1", charges=(charge(offer),), batch_id="msgbatch_1"
    )


def never(offer: Offer) -> Outcome | None:
    return None


@dataclass
class Agent:
    """What it was told, and what it says. Ids that it was never offered it does not know."""

    policy: str | None = POLICY
    salt: str = SALT
    keys: tuple[str, ...] = ("k",)
    accepts: Accepts = takes
    answers: Answers = succeeds
    offers: list[Offer] = field(default_factory=list[Offer])
    withdrawn: list[WithdrawRequest] = field(default_factory=list[WithdrawRequest])
    waits: list[tuple[str, ...]] = field(default_factory=list[tuple[str, ...]])
    outcomes: dict[str, Outcome] = field(default_factory=dict[str, Outcome])
    url: str = ""

    def __post_init__(self) -> None:
        self.changed = threading.Condition()

    @property
    def snapshot(self) -> Snapshot:
        names = [credential_id(SALT, base_url=BASE_URL, api_key=key, auth_token=None) for key in self.keys]
        return Snapshot("s", self.policy, salt=self.salt, credentials=tuple(names))

    def say(self, outcome: Outcome) -> None:
        """An answer has come."""
        with self.changed:
            self.outcomes[outcome.id] = outcome
            self.changed.notify_all()

    def until(self, true: Callable[[], bool]) -> None:
        """Wait until the application has done something."""
        with self.changed:
            assert self.changed.wait_for(true, timeout=20)

    def told(self, path: str, value: Any) -> Any:
        if path == protocol.PATH:
            views = tuple(BalanceView(key, 10**9, 10**9, 0, 0, 0) for key in protocol.request_from_json(value).views)
            return protocol.to_json(SyncResponse(views=views, snapshot=self.snapshot))
        return deferral.to_json(self._deferrals(path, value))

    def _deferrals(self, path: str, value: Any) -> deferral.Message:
        with self.changed:
            if path == deferral.PATH:
                offer = deferral.offer_from_json(value)
                self.offers.append(offer)
                taken = self.accepts(offer)
                if taken.accepted:
                    known = self.outcomes.get(offer.id)
                    self.outcomes[offer.id] = known or self.answers(offer) or Outcome(offer.id, State.QUEUED)
                self.changed.notify_all()
                return taken
            if path == deferral.WITHDRAW_PATH:
                self.withdrawn.append(deferral.withdraw_request_from_json(value))
                self.changed.notify_all()
                return WaitResponse()
            asked = deferral.wait_request_from_json(value)
            self.waits.append(asked.ids)
            self.changed.notify_all()
            self.changed.wait_for(lambda: self._worth_telling(asked.ids), asked.seconds)
            return WaitResponse(tuple(self.outcomes[one] for one in asked.ids if one in self.outcomes))

    def _worth_telling(self, ids: tuple[str, ...]) -> bool:
        return any(one not in self.outcomes or self.outcomes[one].state.over for one in ids)


class _Server(ThreadingHTTPServer):
    request_queue_size = 128
    """Many call at once, on a busy machine: none is to be turned away."""


@contextmanager
def served_at(agent: Agent) -> Generator[Agent]:
    """The agent on a port of its own."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            said = json.loads(self.rfile.read(int(self.headers["content-length"])))
            body = json.dumps(agent.told(self.path, said)).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            try:
                self.wfile.write(body)
            except OSError:
                self.close_connection = True  # whoever waited has broken off

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as the class has it
            """Nobody reads it."""

    server = _Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    agent.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield agent
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def putting_off(folder: Path, agent: Agent) -> Generator[Recorded]:
    """This process instrumented, with that agent and its rules heard."""
    with served_at(agent):
        instrument(environ={"BURSAR_STATE_DIR": str(folder), "BURSAR_AGENT": agent.url})
        try:
            runtime = current_runtime()
            assert runtime is not None
            runtime.guard.greet()
            with recorded() as seen:
                yield seen
        finally:
            uninstrument()
