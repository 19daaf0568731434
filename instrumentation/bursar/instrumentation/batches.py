"""Which batches does this process know, whose work are they, and which of their results has it charged?"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, NamedTuple, Protocol

from opentelemetry import trace
from opentelemetry.trace import Span

from bursar.instrumentation.config import Config
from bursar.instrumentation.context import Work, name_work, sound
from bursar.instrumentation.metrics import Metrics
from bursar.instrumentation.quiet import quiet
from bursar.instrumentation.results import ResultsWatcher, Source
from bursar.instrumentation.rules import Rules
from bursar.instrumentation.stream import http, watch
from bursar.policies.charge import Charge
from bursar.policies.values import value

ORIGINS = 1_024
"""Batches whose origin is remembered."""
CHARGED = 100_000
"""Results remembered as charged: as many as the largest batch has."""
_PATH = re.compile(r"(?:.*/)?v1/messages/batches(?:/(?P<batch_id>[^/]+)(?P<results>/results)?)?/?")
_SPAN = "messages.batches.results"
_EPOCH = datetime.fromtimestamp(0, UTC)


class Asked(NamedTuple):
    """What a request asks of the batches resource, where it matters here."""

    what: str
    """`create`, `retrieve` or `results`."""
    batch_id: str


@dataclass(frozen=True, slots=True)
class Origin:
    """What this process knows of a batch."""

    work: Work | None = None
    """Whose work it is, where it was submitted here."""
    model: str | None = None
    """What every request of it asked for; None where they differ, or it was not submitted here."""
    created_ns: int | None = None


@value
class Dispatched:
    """What this process knows of a request that it has put into a batch itself."""

    work: Work
    model: str
    """As asked for."""
    text_bytes: int = 0
    """How large its text is, to learn from how many tokens that came to; zero: nothing is to be learnt."""
    conversation: str = ""


class Batches:
    """Where batches came from, and which of their results are charged: a bounded memory of this process."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._origins: dict[str, Origin] = {}
        self._charged: dict[str, None] = {}
        self._dispatched: dict[str, Dispatched] = {}

    def sent(self, attempt_id: str, known: Dispatched) -> None:
        """Keep what is known of a request until its result is read."""
        with self._lock:
            self._dispatched[attempt_id] = known

    def arrived(self, attempt_id: str) -> Dispatched | None:
        """What is known of a request whose result is here; None where it was sent by another process."""
        with self._lock:
            return self._dispatched.pop(attempt_id, None)

    def remember(self, batch_id: str, origin: Origin) -> None:
        """Keep what is known of a batch; what was known before of its submission stays."""
        with self._lock:
            before = self._origins.pop(batch_id, Origin())
            if before.work is not None:
                origin = replace(before, created_ns=before.created_ns or origin.created_ns)
            self._origins[batch_id] = origin
            if len(self._origins) > ORIGINS:
                del self._origins[next(iter(self._origins))]

    def origin(self, batch_id: str) -> Origin:
        """What is known of a batch."""
        with self._lock:
            return self._origins.get(batch_id, Origin())

    def claim(self, attempt_id: str) -> bool:
        """Whether this is the first time that a result is charged here, as far as is remembered."""
        with self._lock:
            if attempt_id in self._charged:
                return False
            self._charged[attempt_id] = None
            if len(self._charged) > CHARGED:
                del self._charged[next(iter(self._charged))]
            return True

    def heir(self) -> Batches:
        """The same memory for a forked child; the lock may be held there by a thread that was not copied."""
        child = Batches()
        child._origins = dict(self._origins)
        child._charged = dict(self._charged)
        return child


class Host(Protocol):
    """What is needed of the runtime."""

    config: Config
    rules: Rules
    clock_ns: Callable[[], int]
    batches: Batches
    metrics: Metrics

    def settle(self, charge: Charge, text_bytes: int = 0) -> None: ...

    def release(self, attempt_id: str, why: str) -> None: ...

    def answered(self, response_id: str | None, conversation: str) -> None: ...

    def tell(self, charge: Charge) -> None: ...


def observe(host: Host, request: Any, response: Any, work: Work | None = None) -> None:
    """
    See what a request to the batches resource was answered, and meter results as they are read. Never raises.

    To be called with each `APIRequest` that makes no message, and the `APIResponse` to it, before anybody has read its
    body. `work` is whose it is, if that is known already; else it is found from the caller.
    """
    with quiet("meter a batch"):
        asked = asked_of_batches(request.method, request.url)
        # Where the application asks for the bare HTTP response, the SDK's middleware is given it as it is.
        raw = getattr(response, "http_response", response)
        if asked is None or not isinstance(raw, http.Response) or not raw.is_success:
            return
        if asked.what == "results":
            _meter(host, asked.batch_id, raw, work or _work(host))
        elif raw.is_closed:
            _note(host, asked, request.json, json.loads(raw.content), work)


def asked_of_batches(method: str, url: str) -> Asked | None:
    """What a request asks of the batches resource, GA or beta; None for what needs no look."""
    if "/messages/batches" not in url:
        return None
    found = _PATH.fullmatch(url.partition("?")[0])
    if found is None:
        return None
    batch_id, results = found["batch_id"], found["results"]
    match method.lower():
        case "post" if batch_id is None:
            return Asked("create", "")
        case "get" if batch_id is not None:
            return Asked("results" if results else "retrieve", batch_id)
        case _:
            return None


def _meter(host: Host, batch_id: str, raw: Any, reader: Work) -> None:
    """Watch the body of results; one that is in memory already is charged at once."""
    origin, now_ns = host.batches.origin(batch_id), host.clock_ns()
    at_ns = min(origin.created_ns or now_ns, now_ns)
    source = Source(sound(batch_id), origin.work or reader, origin.model, at_ns, host.rules.book)
    encoding = raw.headers.get("content-encoding", "")
    watcher = ResultsWatcher(source, partial(_take, host), encoding, _results_span(), partial(_free, host))
    if not raw.is_closed:
        watch(raw, watcher)
        return
    watcher.plain(raw.content)
    watcher.end()


def _take(host: Host, charge: Charge) -> bool:
    """Journal and tell a charge, unless this process has done so before."""
    if not host.batches.claim(charge.attempt_id):
        return False
    known = host.batches.arrived(charge.attempt_id)
    if known is not None:
        work = known.work
        charge = replace(charge, requested_model=known.model, route=work.route or "", labels=work.labels)
        host.answered(charge.response_id, known.conversation)
    host.settle(charge, known.text_bytes if known is not None else 0)
    host.metrics.charged(charge, "anthropic")
    host.tell(charge)
    return True


def _free(host: Host, attempt_id: str, why: str) -> None:
    """Journal that a request was not billed, and free what was held for it; once."""
    if host.batches.claim(attempt_id):
        host.batches.arrived(attempt_id)
        host.release(attempt_id, why)


def _note(host: Host, asked: Asked, body: Any, batch: Any, work: Work | None) -> None:
    """Remember a batch: whose it is when it is created, and when that was also when it is asked for."""
    batch_id = _get(batch, "id")
    if not isinstance(batch_id, str):
        return
    origin = Origin(created_ns=_instant(_get(batch, "created_at")))
    if asked.what == "create":
        origin = replace(origin, work=work or _work(host), model=_one_model(body))
    host.batches.remember(batch_id, origin)


def _work(host: Host) -> Work:
    config = host.config
    return name_work(
        default_route=config.route,
        default_labels=config.labels,
        find=lambda caller: host.rules.find_route(caller, config.service),
    )


def _one_model(body: Any) -> str | None:
    """The model that every request of a new batch asks for, if they all ask for one."""
    requests: Any = _get(body, "requests")
    if not isinstance(requests, list):
        return None
    asked = [_get(_get(each, "params"), "model") for each in requests]  # pyright: ignore[reportUnknownVariableType]
    models = {model if isinstance(model, str) else None for model in asked}
    model = models.pop() if len(models) == 1 else None
    return sound(model) if model is not None else None


def _results_span() -> Span | None:
    """The SDK's span for reading results. By its name: with the SDK's tracing off, the application's is current."""
    span = trace.get_current_span()
    name: object = getattr(span, "name", None)
    return span if isinstance(name, str) and name.endswith(_SPAN) else None


def _instant(text: object) -> int | None:
    """An RFC 3339 time in nanoseconds since the epoch."""
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    if moment.tzinfo is None or moment < _EPOCH:
        return None
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1_000


def _get(source: Any, name: str) -> Any:
    return source.get(name) if isinstance(source, Mapping) else None  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
