"""A list on its way: what is sent once, what is tried again, and what an interruption tells. On a clock of its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import pytest
from tests.instrumentation.scene import MODEL, client, message

from bursar.instrumentation.batchitem import BatchItem
from bursar.instrumentation.config import read_config
from bursar.instrumentation.context import Work
from bursar.instrumentation.hands import SyncHands
from bursar.instrumentation.itemerror import BatchItemError
from bursar.instrumentation.mapbatch import carried
from bursar.instrumentation.mapping import BatchMapping
from bursar.instrumentation.parcels import Parcels
from bursar.instrumentation.progress import Silent
from bursar.instrumentation.runtime import Runtime

HOLDER = "0123456789abcdef"
CREATED = "2026-11-22T12:00:00Z"
NOW = 1_795_348_800.0
"""The same instant."""
Fault = Callable[[httpx2.Request], httpx2.Response | None]


def ask(text: str, **more: Any) -> dict[str, Any]:
    return {"model": MODEL, "max_tokens": 9, "messages": [{"role": "user", "content": text}], **more}


class Api:
    """A Batch API in memory, whose batches end when they were looked at so often; `faults` come first, in turn."""

    def __init__(self, *faults: Fault, looks: int = 1, outcomes: dict[int, str] | None = None) -> None:
        self.now = NOW
        self.slept: list[float] = []
        self.batches: dict[str, list[Any]] = {}
        self.headers: list[Any] = []
        self.faults = list(faults)
        self._looks = looks
        self._seen: dict[str, int] = {}
        self._outcomes = outcomes or {}
        self.client = client(self.respond, max_retries=2)
        self.progress = Silent()

    def mapping(self, requests: list[Any], **how: Any) -> BatchMapping:
        numbers = count(1)
        given: dict[str, Any] = {"runtime": None, "timeout": None, "batch_ids": (), **how}
        hands = SyncHands(self.client, self.sleep)
        return BatchMapping(
            self.client,
            hands,
            requests,
            work=Work(),
            new_id=lambda: f"{HOLDER}-{next(numbers):x}",
            now=lambda: self.now,
            clock=lambda: self.now,
            progress=self.progress,
            **given,
        )

    def map(self, requests: list[Any], **how: Any) -> list[Any]:
        with self.mapping(requests, **how) as mapping:
            return carried(mapping.run())

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def respond(self, request: httpx2.Request) -> httpx2.Response:
        fault = self._fault(request)
        if fault is not None:
            return fault
        path = request.url.path.removeprefix("/v1/messages/batches").strip("/")
        if request.method == "POST":
            return httpx2.Response(200, json=self.create(request))
        if not path:
            return httpx2.Response(200, json={"data": [self.batch(each) for each in reversed(self.batches)]})
        if path.endswith("/results"):
            lines = [json.dumps(self._result(each)) for each in reversed(self.batches[path.removesuffix("/results")])]
            return httpx2.Response(200, text="\n".join(lines))
        self._seen[path] = self._seen.get(path, 0) + 1
        return httpx2.Response(200, json=self.batch(path))

    def _fault(self, request: httpx2.Request) -> httpx2.Response | None:
        if not self.faults:
            return None
        try:
            fault = self.faults[0](request)
        except BaseException:
            self.faults.pop(0)
            raise
        if fault is not None:
            self.faults.pop(0)
        return fault

    def create(self, request: httpx2.Request) -> dict[str, Any]:
        self.headers.append(request.headers)
        name = f"msgbatch_{len(self.batches) + 1}"
        self.batches[name] = json.loads(request.content)["requests"]
        return self.batch(name)

    def batch(self, name: str) -> dict[str, Any]:
        ended = self._seen.get(name, 0) >= self._looks
        counts = dict.fromkeys(("errored", "canceled", "expired", "succeeded"), 0)
        return {
            "id": name,
            "type": "message_batch",
            "processing_status": "ended" if ended else "in_progress",
            "request_counts": {**counts, "processing": len(self.batches[name])},
            "created_at": CREATED,
            "expires_at": CREATED,
            "results_url": f"https://api.anthropic.com/v1/messages/batches/{name}/results" if ended else None,
        }

    def _result(self, item: Any) -> dict[str, Any]:
        custom_id, text = item["custom_id"], item["params"]["messages"][0]["content"]
        outcome = self._outcomes.get(int(custom_id.split("-")[3]), "succeeded")
        told: dict[str, Any] = {"type": outcome}
        if outcome == "succeeded":
            told["message"] = message(id=f"msg_{text}", content=[{"type": "text", "text": text}])
        elif outcome == "errored":
            told["error"] = {"type": "error", "error": {"type": "api_error", "message": "broken"}}
        return {"custom_id": custom_id, "result": told}


def on(method: str, end: str, answer: Callable[[httpx2.Request], httpx2.Response]) -> Fault:
    """A fault of the next request of this kind."""
    return lambda request: answer(request) if request.method == method and request.url.path.endswith(end) else None


def status(code: int, **headers: str) -> Callable[[httpx2.Request], httpx2.Response]:
    body = {"type": "error", "error": {"type": "api_error", "message": "no"}}
    return lambda request: httpx2.Response(code, headers=headers, json=body)


def raises(error: type[httpx2.TransportError]) -> Callable[[httpx2.Request], httpx2.Response]:
    def fail(request: httpx2.Request) -> httpx2.Response:
        raise error("away", request=request)

    return fail


def texts(answers: list[Any]) -> list[str]:
    """What messages say, and the names of errors."""
    return [type(each).__name__ if isinstance(each, Exception) else each.content[0].text for each in answers]


def test_messages_are_in_the_order_of_their_requests() -> None:
    """Though results are not; each under the id of its attempt, which tells its place."""
    api = Api(looks=3)
    assert texts(api.map([ask(text) for text in "abc"])) == ["a", "b", "c"]
    ids = [item["custom_id"].rsplit("-", 1)[0] for item in api.batches["msgbatch_1"]]
    assert ids == [f"bursar-{HOLDER}-{place + 1}-{place}" for place in range(3)]
    assert api.slept == [1.0, 1.5], "longer from look to look"


def test_what_does_not_succeed_is_an_error_in_its_place() -> None:
    """Of the API's own kind, or of ours; and what no batch carries is not sent."""
    api = Api(outcomes={1: "errored", 2: "expired", 3: "canceled"})
    answers = api.map([ask(text) for text in "abcd"] + [ask("e", stream=True), "no request", ask("g")])
    assert texts(answers)[:5] == ["a", "InternalServerError", *["BatchItemError"] * 3]
    assert [each.reason for each in answers[2:6]] == ["expired", "canceled", "stream", "parameter"]
    assert len(api.batches["msgbatch_1"]) == 5


def test_what_is_sent_is_journalled_before_its_batch_is_created(tmp_path: Path) -> None:
    """Every request of it, under the id that it has there: a crash in between can hide none."""
    runtime = Runtime(read_config({"BURSAR_STATE_DIR": str(tmp_path)}))
    told: list[set[str]] = []

    def look(request: httpx2.Request) -> httpx2.Response | None:
        if request.method == "POST":
            told.append({json.loads(line)["attempt_id"] for line in runtime.journal.path.read_bytes().splitlines()})
        return None

    api = Api(look)
    with closing(runtime):
        assert texts(api.map([ask("a"), ask("b")], runtime=runtime)) == ["a", "b"]
    assert told == [{item["custom_id"] for item in api.batches["msgbatch_1"]}]


def test_requests_with_other_headers_go_in_batches_of_their_own() -> None:
    """Since a batch has one set of them."""
    api = Api()
    team = {"extra_headers": {"anthropic-beta": "x"}}
    assert texts(api.map([ask("a"), ask("b", **team), ask("c"), ask("d", **team)])) == ["a", "b", "c", "d"]
    assert [headers.get("anthropic-beta") for headers in api.headers] == [None, "x"]
    assert [len(batch) for batch in api.batches.values()] == [2, 2]


def test_a_list_larger_than_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Is several, and what is larger than any is refused."""
    small: Callable[[], Parcels[BatchItem]] = lambda: Parcels(most_requests=2, most_bytes=600)  # noqa: E731 - typed so
    monkeypatch.setattr("bursar.instrumentation.mapping.Parcels", small)
    api = Api()
    assert texts(api.map([ask("a"), ask("x" * 600), ask("b"), ask("c")])) == ["a", "BatchItemError", "b", "c"]
    assert [len(batch) for batch in api.batches.values()] == [2, 1]


def test_a_batch_that_the_api_refuses() -> None:
    """Its error is in the place of each; other batches go on."""
    api = Api(on("POST", "/batches", status(400)))
    answers = api.map([ask("a"), ask("b"), ask("c", extra_headers={"x-other": "1"})])
    assert texts(answers) == ["BadRequestError", "BadRequestError", "c"]


@pytest.mark.parametrize("fault", [status(429, **{"retry-after": "7"}), status(529), raises(httpx2.ConnectError)])
def test_what_was_not_created_is_tried_again(fault: Callable[[httpx2.Request], httpx2.Response]) -> None:
    """As often as the client tries, after what the API asks for."""
    api = Api(on("POST", "/batches", fault))
    assert texts(api.map([ask("a")])) == ["a"]
    assert len(api.batches) == 1
    assert api.slept[0] in (7.0, 1.0)
    given_up = Api(*[on("POST", "/batches", fault)] * 3)
    assert isinstance(given_up.map([ask("a")])[0], anthropic.APIError)
    assert not given_up.batches


def test_a_batch_that_was_created_without_a_word_is_found() -> None:
    """And never sent again: also beside one of the same size that is not ours."""
    api = Api()

    def create(request: httpx2.Request) -> httpx2.Response:
        api.create(request)
        api.batches["msgbatch_other"] = [{"custom_id": "theirs-of-3-1", "params": ask("z")}] * 2
        raise httpx2.ReadTimeout("lost", request=request)

    api.faults.append(on("POST", "/batches", create))
    assert texts(api.map([ask("a"), ask("b")])) == ["a", "b"]
    assert len(api.batches) == 2


def test_a_batch_of_which_nobody_knows() -> None:
    """Is not sent again either: the caller is told of the lost connection."""
    api = Api(on("POST", "/batches", raises(httpx2.ReadError)))
    assert texts(api.map([ask("a")])) == ["APIConnectionError"]
    assert not api.batches
    assert api.slept == [1.0, 2.0, 4.0]


def test_trouble_on_the_way_is_waited_out() -> None:
    """Looks and readings are repeated; a key that is no good any more is not."""
    cut = on("GET", "/results", lambda request: httpx2.Response(500))
    looks = [on("GET", "/msgbatch_1", status(500))] * 4
    assert texts(Api(*looks, cut).map([ask("a")])) == ["a"]
    with pytest.raises(anthropic.AuthenticationError):
        Api(on("GET", "/msgbatch_1", status(401))).map([ask("a")])


def test_a_list_that_takes_too_long() -> None:
    """Ends after its time, and tells how to go on; which pays nothing twice."""
    api = Api(looks=10)
    requests = [ask("a"), ask("b")]
    with pytest.raises(TimeoutError, match="1 of its batches have not ended within 5 s") as caught:
        api.map(requests, timeout=5)
    assert api.now == NOW + 5
    assert "batch_ids=['msgbatch_1']" in caught.value.__notes__[0]
    assert texts(api.map(requests, batch_ids=["msgbatch_1"])) == ["a", "b"]
    assert len(api.batches) == 1


def test_an_interruption_tells_the_batches_and_what_may_be_one() -> None:
    """Both what was submitted and what was just being."""
    api = Api()
    requests = [ask("a"), ask("b", extra_headers={"x-other": "1"})]

    def interrupt(request: httpx2.Request) -> httpx2.Response | None:
        if request.method == "POST" and request.headers.get("x-other"):
            raise KeyboardInterrupt
        return None

    api.faults.append(interrupt)
    with pytest.raises(KeyboardInterrupt) as caught:
        api.map(requests)
    known, lost = caught.value.__notes__
    assert "0 of 2 requests are answered" in known
    assert "batch_ids=['msgbatch_1']" in known
    assert "a batch of 1 requests was being created" in lost
    assert texts(api.map(requests, batch_ids=["msgbatch_1"])) == ["a", "b"], "only what was not submitted is"
    assert [len(batch) for batch in api.batches.values()] == [1, 1]


def test_batches_that_are_not_of_the_list() -> None:
    """Another order, another list, or no list at all."""
    api = Api()
    api.map([ask("a"), ask("b")])
    for requests in ([ask("b"), ask("a")], [ask("a")], []):
        with pytest.raises(ValueError, match="is not of this list"):
            api.map(requests, batch_ids=["msgbatch_1"])
    api.batches["msgbatch_9"] = [{"custom_id": "theirs-of-3-1", "params": ask("z")}]
    with pytest.raises(ValueError, match="was not made by map_batch"):
        api.map([ask("z")], batch_ids=["msgbatch_9"])


def test_results_that_lack_a_request() -> None:
    """Named in its place."""
    api = Api()
    mapping = api.mapping([ask("a"), ask("b")])
    kept = api.create

    def create(request: httpx2.Request) -> dict[str, Any]:
        told = kept(request)
        del api.batches["msgbatch_1"][1]
        return told

    api.create = create  # type: ignore[method-assign]
    answers = carried(mapping.run())
    assert texts(answers) == ["a", "BatchItemError"]
    assert isinstance(answers[1], BatchItemError)
    assert answers[1].reason == "missing"
