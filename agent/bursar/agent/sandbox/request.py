"""Is this a request that the API would accept, and what does it ask for?"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from operator import attrgetter
from typing import Any

from bursar.agent.sandbox.bill import FAST, GLOBAL, NOT_AVAILABLE, STANDARD, US, Usage
from bursar.agent.sandbox.cache import Lookup, Prompt
from bursar.agent.sandbox.errors import ApiError, invalid
from bursar.agent.sandbox.fields import Json, choice_at, count_at, is_object, object_at, required, text_at
from bursar.agent.sandbox.marks import marks
from bursar.agent.sandbox.tables import Fast, Model, find_model
from bursar.agent.sandbox.tokens import Block, Section, blocks
from bursar.agent.sandbox.validity import check_forms

SAMPLING_REMOVED = "2026-10-21"  # from this API version on, sampling parameters are an error
_SAMPLING = ("temperature", "top_p", "top_k")


@dataclass(frozen=True, slots=True)
class MessageRequest:
    """A valid request; `speed` and `inference_geo` are as served, not as asked."""

    model: Model
    prompt: Prompt
    prompt_tokens: int
    max_tokens: int
    stream: bool
    speed: str
    inference_geo: str
    forced_tool: Json | None
    output_schema: Json | None

    def usage(self, lookup: Lookup, output: int, service_tier: str = STANDARD) -> Usage:
        """What the request uses when it finds this in the cache and is answered with so many tokens."""
        return Usage(
            input=lookup.input,
            write_5m=lookup.write_5m,
            write_1h=lookup.write_1h,
            read=lookup.read,
            output=output,
            speed=self.speed,
            inference_geo=self.inference_geo,
            service_tier=service_tier,
        )


def api_key(headers: Mapping[str, str]) -> str:
    """The key a request comes with."""
    key = headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer ")
    if not key:
        raise ApiError("authentication_error", "x-api-key header is required")
    return key


def parse_body(raw: bytes) -> Json:
    """The request body as a JSON object."""
    try:
        body: object = json.loads(raw)
    except ValueError as error:
        raise invalid("", f"The request body is not valid JSON: {error}") from None
    return object_at(body, "")


def check_version(version: str | None, body: Json) -> None:
    """Hold the request to its `anthropic-version` header, which must be there."""
    if not version:
        raise invalid("anthropic-version", "header is required")
    for name in _SAMPLING:
        if version >= SAMPLING_REMOVED and name in body:
            raise invalid(name, f"Extra inputs are not permitted as of anthropic-version {SAMPLING_REMOVED}")


def count_prompt(body: Json) -> int:
    """Tokens of a count_tokens request, held to the same rules but without max_tokens."""
    _model(body)
    return sum(block.tokens for block in blocks(body))


def parse_request(
    body: Json, betas: str | None = None, *, longest: Callable[[Model], int] = attrgetter("max_output")
) -> MessageRequest:
    """
    A request to create a message; raises the API's 400 or 404 where it would.

    `betas` is its `anthropic-beta` header, of a batch that of its creation; `longest` the most that `max_tokens` may
    be.
    """
    model = _model(body)
    max_tokens = _max_tokens(body, model, longest(model))
    prompt = blocks(body)
    tokens = sum(block.tokens for block in prompt)
    if tokens > model.context:
        raise invalid("", f"prompt is too long: {tokens} tokens > {model.context} maximum")
    speed = _speed(body, model)
    request = MessageRequest(
        model=model,
        prompt=_cache_prompt(body, model, prompt, speed),
        prompt_tokens=tokens,
        max_tokens=max_tokens,
        stream=bool(body.get("stream")),
        speed=speed,
        inference_geo=_inference_geo(body, model),
        forced_tool=_forced_tool(body),
        output_schema=_output_schema(body),
    )
    _check_thinking(body, max_tokens)
    _check_warm_up(body, request)
    check_forms(body, betas, model, tokens)
    return request


def _model(body: Json) -> Model:
    name = text_at(required(body, "model"), "model")
    model = find_model(name)
    if model is None:
        raise ApiError("not_found_error", f"model: {name}")
    return model


def _max_tokens(body: Json, model: Model, longest: int) -> int:
    asked = count_at(required(body, "max_tokens"), "max_tokens")
    if asked > longest:
        raise invalid(
            "max_tokens",
            f"{asked} > {longest}, which is the maximum allowed number of output tokens for {model.id}",
        )
    return asked


def _speed(body: Json, model: Model) -> str:
    asked = choice_at(body.get("speed") or STANDARD, (STANDARD, FAST), "speed")
    if asked == STANDARD or model.fast is Fast.IGNORED:
        return STANDARD
    if model.fast is Fast.REFUSED:
        raise invalid("speed", f"'fast' is not supported by {model.id}; leave it out or ask for 'standard'")
    return FAST


def _inference_geo(body: Json, model: Model) -> str:
    asked = body.get("inference_geo")
    if asked is None:
        return GLOBAL if model.us_geo else NOT_AVAILABLE
    if not model.us_geo:
        raise invalid("inference_geo", f"not supported by {model.id}; leave it out")
    return choice_at(asked, (GLOBAL, US), "inference_geo")


def _forced_tool(body: Json) -> Json | None:
    choice = object_at(body.get("tool_choice") or {"type": "auto"}, "tool_choice")
    kind = choice_at(required(choice, "type", "tool_choice"), ("auto", "any", "tool", "none"), "tool_choice.type")
    if kind not in ("any", "tool"):
        return None
    tools: list[Json] = body.get("tools") or []
    name = text_at(required(choice, "name", "tool_choice"), "tool_choice.name") if kind == "tool" else None
    found = next((tool for tool in tools if name in (None, tool.get("name"))), None)
    if found is None:
        raise invalid("tool_choice", f"Tool '{name}' not found in provided tools" if name else "tools must be given")
    return found


def _output_schema(body: Json) -> Json | None:
    config = object_at(body.get("output_config") or {}, "output_config")
    if config.get("format") is None:
        return None
    wanted = object_at(config["format"], "output_config.format")
    choice_at(required(wanted, "type", "output_config.format"), ("json_schema",), "output_config.format.type")
    return object_at(required(wanted, "schema", "output_config.format"), "output_config.format.schema")


def _thinks(body: Json) -> bool:
    thinking = body.get("thinking")
    return is_object(thinking) and thinking.get("type") == "enabled"


def _check_thinking(body: Json, max_tokens: int) -> None:
    if _thinks(body) and count_at(body["thinking"].get("budget_tokens") or 0, "thinking.budget_tokens") >= max_tokens:
        raise invalid("max_tokens", "must be greater than `thinking.budget_tokens`")


def _check_warm_up(body: Json, request: MessageRequest) -> None:
    """`max_tokens: 0` fills the cache without an answer, and goes with nothing that shapes an answer."""
    shaped = {
        "stream": request.stream,
        "thinking": _thinks(body),
        "output_config.format": request.output_schema is not None,
        "tool_choice": request.forced_tool is not None,
    }
    for name, given in shaped.items():
        if request.max_tokens == 0 and given:
            raise invalid(name, "cannot be combined with `max_tokens: 0`")


def _cache_prompt(body: Json, model: Model, prompt: Sequence[Block], speed: str) -> Prompt:
    """Digests of all prefixes, each over what a change of must lose the cache for that section.

    Tools hang on the model alone; the system prompt also on the speed and on whether citations are asked for; messages
    also on tool choice, thinking, effort and whether there are images.
    """
    output = object_at(body.get("output_config") or {}, "output_config")
    shaping: list[Any] = [body.get("tool_choice"), body.get("thinking"), output.get("effort")]
    images = any(block.image for block in prompt)
    system = [speed, any(block.cited for block in prompt)]
    keys = {
        Section.TOOLS: "",
        Section.SYSTEM: json.dumps(system),
        Section.MESSAGES: json.dumps([*system, *shaping, images]),
    }

    def extend(digest: str, block: Block) -> str:
        text = json.dumps([digest, block.section, keys[block.section], block.canonical])
        return hashlib.sha256(text.encode()).hexdigest()

    return Prompt(
        digests=tuple(accumulate(prompt, extend, initial=model.id))[1:],
        ends=tuple(accumulate(block.tokens for block in prompt)),
        marks=marks(prompt, body.get("cache_control")),
        min_cache=model.min_cache,
    )
