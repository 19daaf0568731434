"""Claims about what requests are accepted, and what they ask for."""

from typing import Any

import pytest

from bursar.agent.sandbox.errors import ApiError
from bursar.agent.sandbox.request import check_version, count_prompt, parse_body, parse_request

TOOL = {"name": "look", "input_schema": {"type": "object"}}
SCHEMA = {"format": {"type": "json_schema", "schema": {"type": "object"}}}
THINKING = {"type": "enabled", "budget_tokens": 1_024}


def body(**changes: Any) -> dict[str, Any]:
    """A small valid request, with changes; a change to None takes the member away."""
    whole = {
        "model": "claude-sonnet-5-5",
        "max_tokens": 100,
        "messages": [{"role": "user", "content": "hello"}],
        **changes,
    }
    return {name: value for name, value in whole.items() if value is not None}


def test_defaults() -> None:
    """A plain request is standard, global, not streamed, and forces nothing."""
    request = parse_request(body())
    assert (request.speed, request.inference_geo, request.stream) == ("standard", "global", False)
    assert (request.forced_tool, request.output_schema, request.max_tokens) == (None, None, 100)
    assert request.prompt_tokens == 2 + 4


@pytest.mark.parametrize(
    ("changes", "status", "message"),
    [
        ({"model": None}, 400, "model: Field required"),
        ({"model": "claude-nope"}, 404, "model: claude-nope"),
        ({"max_tokens": None}, 400, "max_tokens: Field required"),
        ({"max_tokens": 128_001}, 400, "max_tokens: 128001 > 128000, which is the maximum allowed number of output"),
        ({"model": "claude-haiku-4-5", "max_tokens": 64_001}, 400, "max_tokens: 64001 > 64000, which is the maximum"),
        ({"speed": "fast"}, 400, "speed: 'fast' is not supported by claude-sonnet-5-5"),
        ({"speed": "ludicrous"}, 400, "speed: Input should be 'standard' or 'fast'"),
        ({"inference_geo": "mars"}, 400, "inference_geo: Input should be 'global' or 'us'"),
        ({"model": "claude-haiku-4-5", "inference_geo": "us"}, 400, "inference_geo: not supported by claude-haiku-4-5"),
        ({"tool_choice": {"type": "any"}}, 400, "tool_choice: tools must be given"),
        ({"tools": [TOOL], "tool_choice": {"type": "tool", "name": "x"}}, 400, "tool_choice: Tool 'x' not found"),
        ({"tools": [TOOL], "tool_choice": {"type": "tool"}}, 400, "tool_choice.name: Field required"),
        ({"thinking": {**THINKING, "budget_tokens": 100}}, 400, "max_tokens: must be greater than `thinking.budget"),
        (
            {"output_config": {"format": {"type": "xml"}}},
            400,
            "output_config.format.type: Input should be 'json_schema'",
        ),
        ({"max_tokens": 0, "stream": True}, 400, "stream: cannot be combined with `max_tokens: 0`"),
        ({"max_tokens": 0, "output_config": SCHEMA}, 400, "output_config.format: cannot be combined"),
        ({"max_tokens": 0, "tools": [TOOL], "tool_choice": {"type": "any"}}, 400, "tool_choice: cannot be combined"),
    ],
)
def test_refusals(changes: dict[str, Any], status: int, message: str) -> None:
    """What the API refuses is refused, with the field it is about."""
    with pytest.raises(ApiError) as caught:
        parse_request(body(**changes))
    assert caught.value.status == status
    assert caught.value.message.startswith(message)


def test_longest_output() -> None:
    """Exactly the model's longest output may be asked for."""
    assert parse_request(body(max_tokens=128_000)).max_tokens == 128_000


@pytest.mark.parametrize(
    ("changes", "speed", "geo"),
    [
        ({"model": "claude-opus-5-5", "speed": "fast"}, "fast", "global"),
        ({"model": "claude-opus-4-6", "speed": "fast"}, "standard", "global"),
        ({"inference_geo": "us"}, "standard", "us"),
        ({"model": "claude-haiku-4-5"}, "standard", "not_available"),
    ],
)
def test_modifiers_as_served(changes: dict[str, Any], speed: str, geo: str) -> None:
    """Speed and place are what the model serves, which need not be what was asked."""
    request = parse_request(body(**changes))
    assert (request.speed, request.inference_geo) == (speed, geo)


@pytest.mark.parametrize(("characters", "fits"), [(799_984, True), (799_985, False)])
def test_context_window(characters: int, fits: bool) -> None:
    """199,996 tokens of text and 4 of role fill the 200,000 of Haiku 4.5; one more byte is too long."""
    asked = body(model="claude-haiku-4-5", messages=[{"role": "user", "content": "x" * characters}])
    if fits:
        assert parse_request(asked).prompt_tokens == 200_000
    else:
        with pytest.raises(ApiError, match="prompt is too long: 200001 tokens > 200000 maximum"):
            parse_request(asked)


@pytest.mark.parametrize(
    ("choice", "name"),
    [({"type": "any"}, "look"), ({"type": "tool", "name": "other"}, "other"), ({"type": "auto"}, None)],
)
def test_forced_tool(choice: dict[str, str], name: str | None) -> None:
    """`any` forces the first tool, `tool` the named one, `auto` none."""
    asked = body(model="claude-haiku-5-5", tools=[TOOL, {**TOOL, "name": "other"}], tool_choice=choice)
    forced = parse_request(asked).forced_tool
    assert (forced or {}).get("name") == name


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({}, 3),
        ({"tool_choice": {"type": "none"}}, 2),
        ({"thinking": {"type": "adaptive"}}, 2),
        ({"output_config": {"effort": "low"}}, 2),
        ({"speed": "fast"}, 1),
        ({"tools": [{**TOOL, "name": "x"}]}, 0),
        ({"model": "claude-opus-5"}, 0),
    ],
)
def test_what_a_change_loses(changes: dict[str, Any], kept: int) -> None:
    """Of tools, system and messages, a change keeps the cached prefixes that Anthropic's table says it keeps."""
    given = {"model": "claude-opus-5-5", "tools": [TOOL], "system": "be brief"}
    before = parse_request(body(**given)).prompt.digests
    after = parse_request(body(**{**given, **changes})).prompt.digests
    assert [one == other for one, other in zip(before, after, strict=True)] == [True] * kept + [False] * (3 - kept)


IMAGE = {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}


@pytest.mark.parametrize("image", [IMAGE, {"type": "tool_result", "tool_use_id": "t", "content": [IMAGE]}])
def test_an_added_image_loses_the_messages(image: dict[str, Any]) -> None:
    """Earlier messages are no longer found once any message has an image, in a tool's result too."""
    first = {"role": "user", "content": "hello"}
    with_image = parse_request(body(system="s", messages=[first, {"role": "user", "content": [image]}])).prompt.digests
    without = parse_request(body(system="s", messages=[first])).prompt.digests
    assert with_image[0] == without[0]
    assert with_image[1] != without[1]


@pytest.mark.parametrize(("version", "refused"), [("2023-06-01", False), ("2026-10-21", True), ("2027-01-01", True)])
def test_sampling_parameters(version: str, refused: bool) -> None:
    """Temperature went with API version 2026-10-21."""
    if refused:
        with pytest.raises(ApiError, match="temperature: Extra inputs are not permitted"):
            check_version(version, body(temperature=0.5))
    else:
        check_version(version, body(temperature=0.5))


def test_version_is_required() -> None:
    """A request without the version header is refused."""
    with pytest.raises(ApiError, match="anthropic-version: header is required"):
        check_version(None, body())


def test_body_must_be_json() -> None:
    """Anything else is a 400, not a crash."""
    with pytest.raises(ApiError, match="The request body is not valid JSON"):
        parse_body(b"model=claude")
    with pytest.raises(ApiError, match="Input should be an object"):
        parse_body(b"[]")


def test_counting_needs_no_max_tokens() -> None:
    """count_tokens counts the prompt as a message would, and knows its models."""
    assert count_prompt(body(max_tokens=None)) == 6
    with pytest.raises(ApiError, match="model: claude-nope"):
        count_prompt(body(model="claude-nope"))


@pytest.mark.parametrize(("enabled", "kept"), [(True, False), (False, True)])
def test_citations_lose_the_system_prompt(enabled: bool, kept: bool) -> None:
    """A document that is to be cited changes what the model is told by the system prompt; the tools stay."""
    source = {"type": "text", "media_type": "text/plain", "data": "x"}
    document = {"type": "document", "source": source, "citations": {"enabled": enabled}}
    given = [{"role": "user", "content": "hello"}]
    plain = parse_request(body(tools=[TOOL], system="s", messages=given)).prompt.digests
    cited = parse_request(body(tools=[TOOL], system="s", messages=[*given, {"role": "user", "content": [document]}]))
    assert plain[0] == cited.prompt.digests[0]
    assert (plain[1] == cited.prompt.digests[1]) is kept
