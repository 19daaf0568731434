"""How is the Message Batches API asked over HTTP? The beta's requests are the same, but for `?beta=true`."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bursar.agent.sandbox.batch import Batch
from bursar.agent.sandbox.batch_object import batch_object, page_object, result_line
from bursar.agent.sandbox.batch_request import parse_items, parse_page, read_body
from bursar.agent.sandbox.batch_scene import read_batch_scene
from bursar.agent.sandbox.batches import Batches
from bursar.agent.sandbox.bill import key_label
from bursar.agent.sandbox.delivery import CutShort, JsonLines, NoAnswer
from bursar.agent.sandbox.errors import NOT_FOUND, ApiError, invalid
from bursar.agent.sandbox.fields import Json
from bursar.agent.sandbox.limits import Limits, Turnstile, check_queue
from bursar.agent.sandbox.request import api_key, parse_body
from bursar.agent.sandbox.scene import Callboard, Mishap, Scene, read_scene
from bursar.agent.sandbox.staging import BATCHES, Staging

_PATH = "/v1/messages/batches"
_CUT = (Mishap.CUT, Mishap.MIDSTREAM)

Answer = Callable[[Request], Awaitable[Response]]
Act = Callable[[Request, "Part"], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Part:
    """What is staged for one request."""

    words: Mapping[str, str]
    scene: Scene
    mishap: Mishap | None  # that happens this time


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the six methods stand on."""

    callboard: Callboard
    staging: Staging
    limits: Limits
    delay_s: float  # how long a batch takes that does not say so
    clock: Callable[[], float]
    sleep: Callable[[float], Awaitable[object]]
    new_id: Callable[[], str]
    headers: Callable[[], dict[str, str]]


class BatchRoutes:
    """The six methods of the batches resource. All keys are of one workspace: each sees every batch."""

    def __init__(self, batches: Batches, around: Surroundings) -> None:
        self._batches = batches
        self._around = around
        self._turnstile = Turnstile(around.limits.per_minute)

    def routes(self) -> list[Route]:
        """In the order in which they are to be tried."""
        one = _PATH + "/{batch_id}"
        return [
            Route(_PATH, self._staged("create", self._create), methods=["POST"]),
            Route(_PATH, self._staged("list", self._list), methods=["GET"]),
            Route(one, self._staged("retrieve", self._retrieve), methods=["GET"]),
            Route(one, self._staged("delete", self._delete), methods=["DELETE"]),
            Route(f"{one}/cancel", self._staged("cancel", self._cancel), methods=["POST"]),
            Route(f"{one}/results", self._staged("results", self._results), methods=["GET"]),
        ]

    def _staged(self, method: str, act: Act) -> Answer:
        """A method under the scene that is staged for it; a refusal or a hang comes before anything is done."""

        async def answer(http: Request) -> Response:
            api_key(http.headers)
            if not http.headers.get("anthropic-version"):
                raise invalid("anthropic-version", "header is required")
            part = self._part(method, http)
            refusal = part.scene.refusal()
            if part.mishap is Mishap.HANG:
                return NoAnswer()
            if part.mishap is not None and refusal is not None:
                raise refusal
            self._turnstile.enter(self._around.clock())
            self._batches.advance(self._around.clock())
            response = await act(http, part)
            if part.scene.latency_s:
                await self._around.sleep(part.scene.latency_s)
            return response

        return answer

    def _part(self, method: str, http: Request) -> Part:
        words = self._around.staging.words(BATCHES + method, http.headers)
        scene = read_scene(words)
        return Part(words, scene, scene.mishap if self._around.callboard.due(scene) else None)

    async def _create(self, http: Request, part: Part) -> Response:
        limits = self._around.limits
        items = parse_items(parse_body(await read_body(http.stream(), limits)), limits)
        batch = Batch(
            id=f"msgbatch_{self._around.new_id()}",
            key=key_label(api_key(http.headers)),
            version=http.headers["anthropic-version"],
            betas=http.headers.get("anthropic-beta"),
            profile=http.headers.get("anthropic-user-profile-id"),
            items=items,
            scene=read_batch_scene(part.words, self._around.delay_s),
            created=self._around.clock(),
        )
        queued, free = self._batches.queued()
        check_queue(limits.queued, queued, len(items), free - batch.created)
        self._batches.add(batch)
        return self._json(self._object(http, batch), part)

    async def _list(self, http: Request, part: Part) -> Response:
        asked = parse_page(http.query_params)
        batches, has_more = self._batches.page(asked.limit, after=asked.after, before=asked.before)
        return self._json(page_object([self._object(http, batch) for batch in batches], has_more=has_more), part)

    async def _retrieve(self, http: Request, part: Part) -> Response:
        return self._json(self._object(http, self._batches.find(_id(http))), part)

    async def _cancel(self, http: Request, part: Part) -> Response:
        return self._json(self._object(http, self._batches.cancel(_id(http), self._around.clock())), part)

    async def _delete(self, http: Request, part: Part) -> Response:
        self._batches.delete(_id(http))
        return self._json({"id": _id(http), "type": "message_batch_deleted"}, part)

    async def _results(self, http: Request, part: Part) -> Response:
        batch = self._batches.find(_id(http))
        if batch.ended is None or self._around.clock() >= batch.archived:
            when = "has not ended yet" if batch.ended is None else "was archived"
            raise ApiError(NOT_FOUND, f"There are no results of {batch.id}: it {when}")

        around, pace_s = self._around, part.scene.pace_s
        pause = partial(around.sleep, pace_s) if pace_s else None
        lines = [result_line(result) for result in batch.in_other_order]
        return JsonLines(lines, around.headers(), pause=pause, cut=part.mishap in _CUT)

    def _object(self, http: Request, batch: Batch) -> Json:
        return batch_object(batch, self._around.clock(), str(http.base_url))

    def _json(self, content: Json, part: Part) -> Response:
        """What was done stays done, even if the connection is cut while it is told."""
        return (
            CutShort(content, self._around.headers())
            if part.mishap in _CUT
            else JSONResponse(content, headers=self._around.headers())
        )


def _id(http: Request) -> str:
    return str(http.path_params["batch_id"])
