"""How do calls of a route whose content is to be kept for an eval reach the agent, without making a call wait?"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, cast

from bursar.instrumentation.assembly import assembled
from bursar.instrumentation.extract import is_binary_stream, is_event_stream, json_body
from bursar.instrumentation.link import AgentLink, Unreachable
from bursar.instrumentation.quiet import quiet
from bursar.instrumentation.requestbody import BETA_HEADER
from bursar.instrumentation.stream import Watcher, decoder, http, watch
from bursar.policies import sample
from bursar.policies.answertext import answer_text, whole
from bursar.policies.sample import Sample, Wanted, lot, wanted_from_json

if TYPE_CHECKING:
    from bursar.instrumentation.attempt import Attempt
    from bursar.instrumentation.call import Call

MOST_WAITING, MOST_WAITING_BYTES = 256, 16 * 1024 * 1024
"""What waits to be told: a call that comes on top is left out, as if its lot had been another."""
SEND_SECONDS = 2.0
SILENT_SECONDS = 30.0
"""How long an agent that does not take them is left alone."""
ASK_AGAIN_SECONDS = 60.0
"""How long it is gone by which lots it wants: those that it has grow old."""
CLOSING_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Taken:
    """A call as it went over the wire; `body` as it came, still encoded where that is said."""

    attempt_id: str
    route: str
    at_ns: int
    betas: str
    request: bytes
    content_type: str
    body: bytes = b""
    encoding: str = ""

    @property
    def size(self) -> int:
        """In bytes."""
        return len(self.request) + len(self.body)


class Sampler:
    """
    A thread of its own, begun with the first call that is to be told, and a queue that never grows beyond a bound.

    What the agent cannot take is lost: a sample is no account. May be used from any thread, destructors included.
    """

    def __init__(self, connect: Callable[[], AgentLink], clock: Callable[[], float] = time.monotonic) -> None:
        self._connect = connect
        self._clock = clock
        self._link: AgentLink | None = None
        self._wanted: dict[str, tuple[Wanted, float]] = {}
        """By route, what the agent said last, and when."""
        self._silent_until = float("-inf")
        self._queue: SimpleQueue[Taken | threading.Event | None] = SimpleQueue()
        self._waiting = 0
        """Bytes in the queue."""
        self._thread: threading.Thread | None = None
        self._lock = threading.RLock()

    def see(self, call: Call, attempt: Attempt, response: Any) -> None:
        """
        Have a call told that was just answered, or as soon as its body is read, where its route's rules ask so.

        Never raises.
        """
        route = call.work.route
        if route is not None and route in call.runtime.rules.captures and _plain(call, attempt):
            with quiet("keep a sample"):
                self._see(route, call, attempt, response)

    def _see(self, route: str, call: Call, attempt: Attempt, response: Any) -> None:
        raw = getattr(response, "http_response", response)
        if not isinstance(raw, http.Response) or not raw.is_success or not self.wants(route, attempt.id):
            return
        headers, content_type = raw.request.headers, raw.headers.get("content-type", "")
        if is_binary_stream(content_type):
            return
        betas, content = headers.get(BETA_HEADER, ""), raw.request.content
        taken = Taken(attempt.id, route, call.runtime.clock_ns(), betas, content, content_type)
        if raw.is_closed:
            self.take(replace(taken, body=raw.content))
        else:
            watch(raw, _Copy(self, replace(taken, encoding=raw.headers.get("content-encoding", ""))))

    def wants(self, route: str, attempt_id: str) -> bool:
        """Whether the agent is known to want this call, or nothing is known of what it wants."""
        now = self._clock()
        if now < self._silent_until or self._queue.qsize() >= MOST_WAITING:
            return False
        wanted, at = self._wanted.get(route, _ALL)
        return wanted.below is None or now - at > ASK_AGAIN_SECONDS or lot(attempt_id) < wanted.below

    def take(self, taken: Taken) -> None:
        """Queue a call, unless it is too large or too many wait."""
        if taken.size > sample.MOST_BYTES:
            return
        with self._lock:
            if self._queue.qsize() >= MOST_WAITING or self._waiting + taken.size > MOST_WAITING_BYTES:
                return
            self._waiting += taken.size
            self._start()
            self._queue.put(taken)

    def flush(self, timeout: float) -> None:
        """Until what waited is told, or given up."""
        if self._thread is not None:
            done = threading.Event()
            self._queue.put(done)
            done.wait(timeout)

    def close(self) -> None:
        """Tell what waits, within a moment."""
        thread = self._thread
        if thread is not None:
            self._queue.put(None)
            thread.join(CLOSING_SECONDS)

    def abandon(self) -> None:
        """Forget the parent's connection after a fork."""
        if self._link is not None:
            self._link.abandon()

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="bursar-samples", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while (one := self._queue.get()) is not None:
            if isinstance(one, threading.Event):
                one.set()
                continue
            with self._lock:
                self._waiting -= one.size
            with quiet("tell its agent of a sample"):
                self._tell(one)
        if self._link is not None:
            self._link.close()

    def _tell(self, taken: Taken) -> None:
        told = sample_of(taken)
        if told is None or self._clock() < self._silent_until:
            return
        self._link = self._link or self._connect()
        try:
            answer = self._link.post(sample.PATH, sample.to_body(told), seconds=SEND_SECONDS)
            self._wanted[told.route] = (wanted_from_json(answer), self._clock())
        except (Unreachable, sample.SampleError):
            self._silent_until = self._clock() + SILENT_SECONDS


_ALL = (Wanted(None), 0.0)


class _Copy(Watcher):
    """Keeps a body as the application reads it, up to what a sample may have."""

    def __init__(self, sampler: Sampler, taken: Taken) -> None:
        self._sampler = sampler
        self._taken = taken
        self._parts: list[bytes] = []
        self._room = sample.MOST_BYTES - len(taken.request)

    def chunk(self, data: bytes) -> None:
        self._room -= len(data)
        if self._room >= 0:
            self._parts.append(data)

    def end(self) -> None:
        with quiet("keep a sample"):
            if self._room >= 0:  # one that was broken off says by itself that it is not whole
                self._sampler.take(replace(self._taken, body=b"".join(self._parts)))


def sample_of(taken: Taken) -> Sample | None:
    """What is told of a call; None of one without a whole answer."""
    decode = decoder(taken.encoding)
    if decode is None:
        return None
    body = decode(taken.body)
    message: Any = assembled(body) if is_event_stream(taken.content_type) else json_body(body)
    if not isinstance(message, Mapping):
        return None
    said = cast("Mapping[str, Any]", message)
    if not whole(said) or not isinstance(said.get("model"), str):
        return None
    return Sample(
        attempt_id=taken.attempt_id,
        route=taken.route,
        at_ns=taken.at_ns,
        model=said["model"],
        betas=taken.betas,
        request=taken.request.decode(),
        answer=answer_text(said),
    )


def _plain(call: Call, attempt: Attempt) -> bool:
    """Whether it was answered by the model it was asked of, by Anthropic's own API, and is part of no cascade."""
    return attempt.action == "go" and call.stage is None and call.provider == "anthropic"
