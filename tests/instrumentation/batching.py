"""A stage for batches: a runtime that only listens, and clients of the real SDK with nothing of ours but the joint."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anthropic
import httpx2

from bursar.instrumentation.batches import Batches, observe
from bursar.instrumentation.config import Config, read_config
from bursar.instrumentation.metrics import Metrics
from bursar.instrumentation.rules import Rules
from bursar.policies.charge import Charge
from bursar.policies.pricefile import shipped_book
from bursar.policies.records import Record, Released, Settled

NOW_NS = 1_795_348_800 * 10**9
"""2026-11-22T12:00:00Z."""

Answer = Callable[[httpx2.Request], httpx2.Response]


class Host:
    """What a runtime is to batches, with an ear for what is recorded and told."""

    def __init__(self) -> None:
        self.config: Config = read_config({})
        self.rules = Rules(shipped_book())
        self.clock_ns: Callable[[], int] = lambda: NOW_NS
        self.batches = Batches()
        self.metrics = Metrics(frozenset[str]())
        self.records: list[Record] = []
        self.told: list[Charge] = []
        self.learnt: list[int] = []
        self.conversations: dict[str, str] = {}

    def settle(self, charge: Charge, text_bytes: int = 0) -> None:
        self.records.append(Settled(charge))
        self.learnt.append(text_bytes)

    def release(self, attempt_id: str, why: str) -> None:
        self.records.append(Released(attempt_id, why))

    def answered(self, response_id: str | None, conversation: str) -> None:
        if conversation:
            self.conversations[response_id or ""] = conversation

    def tell(self, charge: Charge) -> None:
        self.told.append(charge)

    @property
    def ids(self) -> list[str]:
        return [charge.attempt_id for charge in self.told]


def client(host: Host, respond: Answer | None = None, **options: Any) -> Any:
    """A client whose every request is observed; answered here, if `respond` is given."""

    def joint(request: Any, call_next: Any) -> Any:
        response = call_next(request)
        observe(host, request, response)
        return response

    if respond is not None:
        options["http_client"] = httpx2.Client(transport=httpx2.MockTransport(respond))
    given: dict[str, Any] = {"api_key": "k", "max_retries": 0, "middleware": [joint], **options}
    return anthropic.Anthropic(**given)


def async_client(host: Host, respond: Answer | None = None, **options: Any) -> Any:
    """The same, async."""

    async def joint(request: Any, call_next: Any) -> Any:
        response = await call_next(request)
        observe(host, request, response)
        return response

    if respond is not None:
        options["http_client"] = httpx2.AsyncClient(transport=httpx2.MockTransport(respond))
    given: dict[str, Any] = {"api_key": "k", "max_retries": 0, "middleware": [joint], **options}
    return anthropic.AsyncAnthropic(**given)
