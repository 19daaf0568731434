"""Cases of the platforms: Bedrock, Vertex, Foundry, AWS and Google Cloud, and their async twins."""

from __future__ import annotations

from typing import Any

import anthropic
from anthropic import AnthropicAWS, AnthropicFoundry, AsyncAnthropicAWS, AsyncAnthropicFoundry
from anthropic.lib.bedrock import AnthropicBedrock, AsyncAnthropicBedrock
from anthropic.lib.vertex import AnthropicVertex, AsyncAnthropicVertex
from tests.matrix.answers import MODEL, framed
from tests.matrix.case import (
    HAS_BOTO,
    HAS_GOOGLE_CLOUD,
    HAS_MANTLE,
    SEARCHES_NANO,
    TOKENS_NANO,
    Case,
    Charged,
    Told,
    broken,
    streamed,
)
from tests.matrix.stage import ASK, Stage

MANTLE: Any = getattr(anthropic, "AnthropicBedrockMantle", None)
ASYNC_MANTLE: Any = getattr(anthropic, "AsyncAnthropicBedrockMantle", None)
GOOGLE: Any = getattr(anthropic, "AnthropicGoogleCloud", None)
ASYNC_GOOGLE: Any = getattr(anthropic, "AsyncAnthropicGoogleCloud", None)

SIGNED = {"aws_access_key": "a", "aws_secret_key": "b", "aws_region": "us-east-1"}
WORLDWIDE = {"region": "global", "project_id": "p", "access_token": "t"}
REGIONAL = {**WORLDWIDE, "region": "us-east5"}
RESOURCE = {"resource": "r", "api_key": "k"}
KEYED = {"api_key": "k", "aws_region": "us-east-1"}
WORKSPACE = {**KEYED, "workspace_id": "w"}
PROJECT = {"project": "p", "location": "global", "workspace_id": "w", "token_provider": lambda: "t"}

EVERYWHERE = f"global.anthropic.{MODEL}"
IN_THE_STATES = f"us.anthropic.{MODEL}"


def create(kind: Any, options: dict[str, Any], model: str = MODEL) -> Any:
    """An act that asks this platform once."""

    def act(stage: Stage) -> object:
        return stage.client(kind, **options).messages.create(**{**ASK, "model": model})

    return act


def iterate(kind: Any, options: dict[str, Any], model: str = MODEL) -> Any:
    def act(stage: Stage) -> object:
        stream = stage.client(kind, **options).messages.create(**{**ASK, "model": model}, stream=True)
        stage.look("before it is read")
        return [type(stream).__name__, list(stream)]

    return act


def use_helper(kind: Any, options: dict[str, Any], model: str = MODEL) -> Any:
    def act(stage: Stage) -> object:
        with stage.client(kind, **options).messages.stream(**{**ASK, "model": model}) as stream:
            return stream.get_final_message()

    return act


def break_off(kind: Any, options: dict[str, Any], model: str = MODEL) -> Any:
    def act(stage: Stage) -> object:
        for event in stage.client(kind, **options).messages.create(**{**ASK, "model": model}, stream=True):
            return event
        return None

    return act


def copied(kind: Any, options: dict[str, Any], model: str = MODEL) -> Any:
    def act(stage: Stage) -> object:
        client = stage.client(kind, **options)
        # Up to 2.0, a copy of a Bedrock client forgets the HTTP client it was given.
        client = client.with_options(timeout=3, http_client=client._client)
        return client.messages.create(**{**ASK, "model": model})

    return act


def beta(kind: Any, options: dict[str, Any], model: str = MODEL) -> Any:
    def act(stage: Stage) -> object:
        return stage.client(kind, **options).beta.messages.create(**{**ASK, "model": model})

    return act


def async_create(kind: Any, options: dict[str, Any], model: str = MODEL) -> Any:
    async def act(stage: Stage) -> object:
        return await stage.async_client(kind, **options).messages.create(**{**ASK, "model": model})

    return act


def async_iterate(kind: Any, options: dict[str, Any], model: str = MODEL) -> Any:
    async def act(stage: Stage) -> object:
        client = stage.async_client(kind, **options)
        stream = await client.messages.create(**{**ASK, "model": model}, stream=True)
        stage.look("before it is read")
        return [event async for event in stream]

    return act


# Tokens cost a tenth more in a region of one's choice; searches do not.
REGIONAL_NANO = TOKENS_NANO * 11 // 10 + SEARCHES_NANO
DEARER: dict[str, Any] = {"charges": (Charged(REGIONAL_NANO, "usage"),), "spans": (Told(2600, 42, REGIONAL_NANO),)}
FRAMES = (framed(),)
AWS: dict[str, Any] = {"needs": HAS_BOTO}

CASES = [
    Case("bedrock", create(AnthropicBedrock, SIGNED, EVERYWHERE), **AWS),
    Case("bedrock_regional", create(AnthropicBedrock, SIGNED, IN_THE_STATES), **DEARER, **AWS),
    Case("bedrock_with_options", copied(AnthropicBedrock, SIGNED, EVERYWHERE), **AWS),
    Case("bedrock_beta", beta(AnthropicBedrock, SIGNED, EVERYWHERE), **AWS),
    Case("bedrock_stream", iterate(AnthropicBedrock, SIGNED, EVERYWHERE), FRAMES, **AWS),
    Case("bedrock_stream_helper", use_helper(AnthropicBedrock, SIGNED, EVERYWHERE), FRAMES, **AWS),
    broken("bedrock_stream_break", break_off(AnthropicBedrock, SIGNED, EVERYWHERE), answers=FRAMES, **AWS),
    Case("mantle", create(MANTLE, KEYED), needs=HAS_MANTLE),
    streamed("mantle_stream", iterate(MANTLE, KEYED), needs=HAS_MANTLE),
    Case("vertex", create(AnthropicVertex, WORLDWIDE)),
    Case("vertex_regional", create(AnthropicVertex, REGIONAL), **DEARER),
    Case("vertex_with_options", copied(AnthropicVertex, WORLDWIDE)),
    streamed("vertex_stream", iterate(AnthropicVertex, WORLDWIDE)),
    streamed("vertex_stream_helper", use_helper(AnthropicVertex, WORLDWIDE)),
    Case("foundry", create(AnthropicFoundry, RESOURCE)),
    streamed("foundry_stream", iterate(AnthropicFoundry, RESOURCE)),
    Case("aws", create(AnthropicAWS, WORKSPACE)),
    Case("aws_signed", create(AnthropicAWS, {**SIGNED, "workspace_id": "w"}), **AWS),
    streamed("aws_stream", iterate(AnthropicAWS, WORKSPACE)),
    Case("google_cloud", create(GOOGLE, PROJECT), needs=HAS_GOOGLE_CLOUD),
    streamed("google_cloud_stream", iterate(GOOGLE, PROJECT), needs=HAS_GOOGLE_CLOUD),
    Case("async_bedrock", async_create(AsyncAnthropicBedrock, SIGNED, EVERYWHERE), **AWS),
    Case("async_bedrock_stream", async_iterate(AsyncAnthropicBedrock, SIGNED, EVERYWHERE), FRAMES, **AWS),
    Case("async_mantle", async_create(ASYNC_MANTLE, KEYED), needs=HAS_MANTLE),
    Case("async_vertex", async_create(AsyncAnthropicVertex, WORLDWIDE)),
    streamed("async_vertex_stream", async_iterate(AsyncAnthropicVertex, WORLDWIDE)),
    Case("async_foundry", async_create(AsyncAnthropicFoundry, RESOURCE)),
    Case("async_aws", async_create(AsyncAnthropicAWS, WORKSPACE)),
    Case("async_google_cloud", async_create(ASYNC_GOOGLE, PROJECT), needs=HAS_GOOGLE_CLOUD),
]
