"""Which requests does the sandbox take, and how does one become an answer and a line on the bill?"""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bursar.agent.sandbox import events
from bursar.agent.sandbox.answer import Answer, answer
from bursar.agent.sandbox.batch_routes import BatchRoutes, Surroundings
from bursar.agent.sandbox.batch_work import BatchWork
from bursar.agent.sandbox.batches import Batches
from bursar.agent.sandbox.bill import Bill, Line, Usage, key_label
from bursar.agent.sandbox.cache import PromptCache, Refresh
from bursar.agent.sandbox.chronicle import Chronicle
from bursar.agent.sandbox.delivery import CutShort, EventStream, NoAnswer
from bursar.agent.sandbox.errors import NOT_FOUND, ApiError, error_body
from bursar.agent.sandbox.limits import Limits
from bursar.agent.sandbox.messages import content_object, message_object
from bursar.agent.sandbox.models import model_info, model_page
from bursar.agent.sandbox.reports import Reports
from bursar.agent.sandbox.request import MessageRequest, api_key, check_version, count_prompt, parse_body, parse_request
from bursar.agent.sandbox.restart import CHARGED, recall
from bursar.agent.sandbox.scene import Callboard, Mishap, Scene, read_scene
from bursar.agent.sandbox.staging import CREATE, Staging

ORGANIZATION = "00000000-0000-4000-8000-000000000000"


def random_id() -> str:
    """The part of an id after its prefix."""
    return "01" + secrets.token_hex(11)


def create_app(
    *,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    new_id: Callable[[], str] = random_id,
    batch_delay_s: float = 0,
    limits: Limits | None = None,
    state: Path | None = None,
    refresh: Refresh = Refresh.ALL,
) -> Starlette:
    """The sandbox as an ASGI application; its bill is also at `app.state.bill`, what is staged at `app.state.staging`.

    `clock` gives seconds since the epoch, for cache and batches; `sleep` waits seconds, for staged latency; `new_id`
    gives unique texts. `batch_delay_s` is how long a batch takes that does not say so; `state` a file in which batches
    and bill outlive a restart, until then for this sandbox alone (`app.state.close` lets it go); `refresh` what a hit
    in the cache keeps alive. Raises OSError where the file cannot be had.
    """
    sandbox = _Sandbox(clock, sleep, new_id, Chronicle(state), batch_delay_s, limits or Limits(), PromptCache(refresh))
    app = Starlette(
        routes=[
            Route("/v1/messages", sandbox.create_message, methods=["POST"]),
            Route("/v1/messages/count_tokens", sandbox.count_tokens, methods=["POST"]),
            *sandbox.batch_routes.routes(),
            Route("/v1/models", sandbox.list_models, methods=["GET"]),
            Route("/v1/models/{model_id}", sandbox.show_model, methods=["GET"]),
            Route("/v1/organizations/usage_report/messages", sandbox.usage_report, methods=["GET"]),
            Route("/v1/organizations/cost_report", sandbox.cost_report, methods=["GET"]),
            Route("/sandbox/bill", sandbox.show_bill, methods=["GET"]),
            Route("/sandbox/scene", sandbox.stage, methods=["GET", "POST", "DELETE"]),
        ],
        exception_handlers={ApiError: sandbox.refuse, HTTPException: sandbox.no_such_route},
    )
    app.state.bill = sandbox.bill
    app.state.staging = sandbox.staging
    app.state.close = sandbox.close
    return app


@dataclass(frozen=True, slots=True)
class _Reply:
    """All that is known of an answer before its first byte leaves."""

    request: MessageRequest
    scene: Scene
    mishap: Mishap | None
    answer: Answer
    usage: Usage  # of the whole answer
    line: Line
    message_id: str
    tool_use_id: str
    headers: Mapping[str, str]


class _Sandbox:
    def __init__(
        self,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[object]],
        new_id: Callable[[], str],
        chronicle: Chronicle,
        batch_delay_s: float,
        limits: Limits,
        cache: PromptCache,
    ) -> None:
        self._chronicle = chronicle
        self._reports = Reports(clock)
        self.bill = Bill(self._catch_up, self._note_charge, self._reports.count)
        self.staging = Staging()
        self._cache = cache
        self._callboard = Callboard()
        self._clock = clock
        self._sleep = sleep
        self._new_id = new_id
        self._batches = Batches(BatchWork(self.bill, self._cache, new_id).process, chronicle)
        self._batches.restore(recall(chronicle.read(), self.bill))
        around = Surroundings(self._callboard, self.staging, limits, batch_delay_s, clock, sleep, new_id, self._headers)
        self.batch_routes = BatchRoutes(self._batches, around)

    async def create_message(self, http: Request) -> Response:
        started = self._clock()
        key = key_label(api_key(http.headers))
        scene = read_scene(self.staging.words(CREATE, http.headers))
        body = parse_body(await http.body())
        check_version(http.headers.get("anthropic-version"), body)
        request = parse_request(body, http.headers.get("anthropic-beta"))
        mishap = scene.mishap if self._callboard.due(scene) else None
        if mishap is Mishap.HANG:
            return NoAnswer()
        refusal = scene.refusal()
        if mishap is not None and refusal is not None:
            raise refusal
        reply = await self._begin(request, scene, mishap, key, started)
        return self._stream(reply) if request.stream else _at_once(reply)

    async def _begin(
        self, request: MessageRequest, scene: Scene, mishap: Mishap | None, key: str, started: float
    ) -> _Reply:
        """Look the prompt up, wait as staged, and fill the cache as the response begins."""
        self._catch_up()
        lookup = self._cache.look_up(request.prompt, started)
        text = answer(request, scene.output_tokens)
        if scene.latency_s:
            await self._sleep(scene.latency_s)
        self._cache.store(lookup)
        return _Reply(
            request=request,
            scene=scene,
            mishap=mishap,
            answer=text,
            usage=request.usage(lookup, text.output_tokens),
            line=self.bill.open(request.model, key),
            message_id=f"msg_{self._new_id()}",
            tool_use_id=f"toolu_{self._new_id()}",
            headers=self._headers(),
        )

    def _stream(self, reply: _Reply) -> Response:
        async def pause(event: events.Event) -> None:
            if reply.scene.pace_s and event.name == "content_block_delta":
                await self._sleep(reply.scene.pace_s)

        def sending(event: events.Event) -> None:
            reply.line.amend(replace(reply.usage, output=event.output_tokens))

        complete = reply.mishap is not Mishap.CUT
        return EventStream(_played(reply), reply.headers, sending=sending, pause=pause, complete=complete)

    async def count_tokens(self, http: Request) -> Response:
        api_key(http.headers)
        body = parse_body(await http.body())
        check_version(http.headers.get("anthropic-version"), body)
        return JSONResponse({"input_tokens": count_prompt(body)}, headers=self._headers())

    async def list_models(self, http: Request) -> Response:
        api_key(http.headers)
        asked = http.query_params
        page = model_page(asked.get("limit"), asked.get("after_id"), asked.getlist("lifecycle[]"))
        return JSONResponse(page, headers=self._headers())

    async def show_model(self, http: Request) -> Response:
        api_key(http.headers)
        return JSONResponse(model_info(http.path_params["model_id"]), headers=self._headers())

    async def usage_report(self, http: Request) -> Response:
        self._catch_up()
        return JSONResponse(self._reports.usage(http.headers, http.query_params), headers=self._headers())

    async def cost_report(self, http: Request) -> Response:
        self._catch_up()
        return JSONResponse(self._reports.costs(http.headers, http.query_params), headers=self._headers())

    async def show_bill(self, http: Request) -> Response:  # noqa: ARG002
        return JSONResponse(self.bill.totals())

    async def stage(self, http: Request) -> Response:
        """Scenes for requests that stage none themselves: shown, put, all taken away."""
        if http.method == "POST":
            self.staging.put(parse_body(await http.body()))
        if http.method == "DELETE":
            self.staging.clear()
        return JSONResponse(self.staging.told())

    async def refuse(self, http: Request, error: Exception) -> Response:  # noqa: ARG002
        """Any ApiError, in the API's shape."""
        if not isinstance(error, ApiError):
            raise error
        headers = self._headers()
        if error.retry_after is not None:
            headers["retry-after"] = error.retry_after
        body = error_body(error.kind, error.message, headers["request-id"])
        return JSONResponse(body, status_code=error.status, headers=headers)

    async def no_such_route(self, http: Request, error: Exception) -> Response:  # noqa: ARG002
        """A path or method that the sandbox does not have."""
        message = f"{http.method} {http.url.path} is not part of the sandbox"
        return await self.refuse(http, ApiError(NOT_FOUND, message))

    def _catch_up(self) -> None:
        """Process what is due of batches before anything else is looked up or told."""
        self._batches.advance(self._clock())

    def _note_charge(self, model: str, key: str, nano: int, requests: int) -> None:
        self._chronicle.note(CHARGED, model=model, key=key, nano=nano, requests=requests)

    def close(self) -> None:
        """Let another sandbox have the state's file."""
        self._chronicle.close()

    def _headers(self) -> dict[str, str]:
        return {"request-id": f"req_{self._new_id()}", "anthropic-organization-id": ORGANIZATION}


def _played(reply: _Reply) -> chain[events.Event]:
    """The events of a reply, as far as its mishap lets them come."""
    parts = (reply.message_id, reply.request.model.id, reply.tool_use_id, reply.answer, reply.usage)
    if reply.mishap is None:
        return chain(events.whole(*parts))
    sent = list(events.first_half(*parts))
    if reply.mishap is Mishap.CUT:
        return chain(sent)
    return chain(sent, [events.failure(sent[-1].output_tokens, reply.headers["request-id"])])


def _at_once(reply: _Reply) -> Response:
    """The whole message in one body; the API has done the work, and bills it, even if the connection is then cut."""
    reply.line.amend(reply.usage)
    message: dict[str, Any] = message_object(
        reply.message_id,
        reply.request.model.id,
        reply.usage,
        content=content_object(reply.answer, reply.tool_use_id),
        stop_reason=reply.answer.stop_reason,
    )
    return JSONResponse(message, headers=reply.headers) if reply.mishap is None else CutShort(message, reply.headers)
