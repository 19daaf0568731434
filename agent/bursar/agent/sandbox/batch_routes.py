"""How is the Message Batches API asked over HTTP? The beta's requests are the same, but for `?beta=true`."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bursar.agent.sandbox.batch_object import batch_object, page_object, result_line
from bursar.agent.sandbox.batch_request import check_size, parse_items, parse_page
from bursar.agent.sandbox.batches import Batch, Batches
from bursar.agent.sandbox.bill import key_label
from bursar.agent.sandbox.delivery import CutShort, JsonLines, NoAnswer
from bursar.agent.sandbox.errors import NOT_FOUND, ApiError, invalid
from bursar.agent.sandbox.fields import Json
from bursar.agent.sandbox.request import api_key, parse_body
from bursar.agent.sandbox.scene import Callboard, Mishap, read_batch_scene, read_scene

_PATH = "/v1/messages/batches"
_CUT = (Mishap.CUT, Mishap.MIDSTREAM)

Answer = Callable[[Request], Awaitable[Response]]
Act = Callable[[Request, "Mishap | None"], Awaitable[Response]]


class BatchRoutes:
    """The six methods of the batches resource. All keys are of one workspace: each sees every batch."""

    def __init__(
        self,
        batches: Batches,
        callboard: Callboard,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[object]],
        new_id: Callable[[], str],
        headers: Callable[[], dict[str, str]],
    ) -> None:
        self._batches = batches
        self._callboard = callboard
        self._clock = clock
        self._sleep = sleep
        self._new_id = new_id
        self._headers = headers

    def routes(self) -> list[Route]:
        """In the order in which they are to be tried."""
        one = _PATH + "/{batch_id}"
        return [
            Route(_PATH, self._staged(self._create), methods=["POST"]),
            Route(_PATH, self._staged(self._list), methods=["GET"]),
            Route(one, self._staged(self._retrieve), methods=["GET"]),
            Route(one, self._staged(self._delete), methods=["DELETE"]),
            Route(f"{one}/cancel", self._staged(self._cancel), methods=["POST"]),
            Route(f"{one}/results", self._staged(self._results), methods=["GET"]),
        ]

    def _staged(self, act: Act) -> Answer:
        """A method under the scene that its headers stage; a refusal or a hang comes before anything is done."""

        async def answer(http: Request) -> Response:
            api_key(http.headers)
            if not http.headers.get("anthropic-version"):
                raise invalid("anthropic-version", "header is required")
            scene = read_scene(http.headers)
            mishap = scene.mishap if self._callboard.due(scene) else None
            if mishap is Mishap.HANG:
                return NoAnswer()
            refusal = scene.refusal()
            if mishap is not None and refusal is not None:
                raise refusal
            self._batches.advance(self._clock())
            response = await act(http, mishap)
            if scene.latency_s:
                await self._sleep(scene.latency_s)
            return response

        return answer

    async def _create(self, http: Request, mishap: Mishap | None) -> Response:
        raw = await http.body()
        check_size(raw)
        batch = Batch(
            id=f"msgbatch_{self._new_id()}",
            key=key_label(api_key(http.headers)),
            version=http.headers["anthropic-version"],
            items=parse_items(parse_body(raw)),
            scene=read_batch_scene(http.headers),
            created=self._clock(),
        )
        self._batches.add(batch)
        return self._json(self._object(http, batch), mishap)

    async def _list(self, http: Request, mishap: Mishap | None) -> Response:
        asked = parse_page(http.query_params)
        batches, has_more = self._batches.page(asked.limit, after=asked.after, before=asked.before)
        return self._json(page_object([self._object(http, batch) for batch in batches], has_more=has_more), mishap)

    async def _retrieve(self, http: Request, mishap: Mishap | None) -> Response:
        return self._json(self._object(http, self._batches.find(_id(http))), mishap)

    async def _cancel(self, http: Request, mishap: Mishap | None) -> Response:
        return self._json(self._object(http, self._batches.cancel(_id(http), self._clock())), mishap)

    async def _delete(self, http: Request, mishap: Mishap | None) -> Response:
        self._batches.delete(_id(http))
        return self._json({"id": _id(http), "type": "message_batch_deleted"}, mishap)

    async def _results(self, http: Request, mishap: Mishap | None) -> Response:
        batch = self._batches.find(_id(http))
        if batch.ended is None or self._clock() >= batch.archived:
            when = "has not ended yet" if batch.ended is None else "was archived"
            raise ApiError(NOT_FOUND, f"There are no results of {batch.id}: it {when}")

        pace_s = read_scene(http.headers).pace_s

        async def pause() -> None:
            if pace_s:
                await self._sleep(pace_s)

        lines = [result_line(result) for result in batch.in_other_order]
        return JsonLines(lines, self._headers(), pause=pause, cut=mishap in _CUT)

    def _object(self, http: Request, batch: Batch) -> Json:
        return batch_object(batch, self._clock(), str(http.base_url))

    def _json(self, content: Json, mishap: Mishap | None) -> Response:
        """What was done stays done, even if the connection is cut while it is told."""
        return CutShort(content, self._headers()) if mishap in _CUT else JSONResponse(content, headers=self._headers())


def _id(http: Request) -> str:
    return str(http.path_params["batch_id"])
