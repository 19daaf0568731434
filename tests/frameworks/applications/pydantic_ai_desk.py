"""A support desk on Pydantic AI: every way in which it calls Claude."""
# The framework is installed only where this file runs.
# mypy: disable-error-code="import-not-found,untyped-decorator"
# pyright: basic, reportMissingImports=false

from __future__ import annotations

from typing import Any

from anthropic import AsyncAnthropic
from pydantic import BaseModel
from pydantic_ai import Agent, ModelRetry, NativeOutput, ToolOutput
from pydantic_ai.direct import model_request, model_request_sync
from pydantic_ai.messages import ModelRequest
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.providers.anthropic import AnthropicProvider

MODEL = "claude-haiku-5-5"
QUESTION = "Where is my parcel?"


class Order(BaseModel):
    """What a customer asked about."""

    number: int
    urgent: bool
    subject: str


def find_parcel(number: int) -> str:
    """Where a parcel is."""
    return f"parcel {number} is in Utrecht"


def desk(**more: Any) -> Any:
    return Agent(f"anthropic:{MODEL}", model_settings={"max_tokens": 60}, **more)


def fails_once(scene: str) -> dict[str, str]:
    return {"x-sandbox-error": "529", "x-sandbox-error-times": "1", "x-sandbox-scene": scene}


def plain() -> Any:
    return desk().run_sync(QUESTION).all_messages()


def streamed() -> Any:
    return list(desk().run_stream_sync(QUESTION).stream_text(debounce_by=None))


async def plain_async() -> Any:
    return (await desk().run(QUESTION)).all_messages()


async def streamed_async() -> Any:
    async with desk().run_stream(QUESTION) as answer:
        return [piece async for piece in answer.stream_text(debounce_by=None)]


async def iterated_async() -> Any:
    async with desk(tools=[find_parcel]).iter(QUESTION) as run:
        return [type(node).__name__ async for node in run]


def tools() -> Any:
    return desk(tools=[find_parcel]).run_sync(QUESTION).all_messages()


async def tools_streamed_async() -> Any:
    async with desk(tools=[find_parcel]).run_stream(QUESTION) as answer:
        return [piece async for piece in answer.stream_text(debounce_by=None)]


def structured_by_tool() -> Any:
    return desk(output_type=ToolOutput(Order), tools=[find_parcel]).run_sync(QUESTION).output


async def structured_by_tool_streamed_async() -> Any:
    async with desk(output_type=ToolOutput(Order)).run_stream(QUESTION) as answer:
        return [piece async for piece in answer.stream_output(debounce_by=None)]


async def structured_by_schema_async() -> Any:
    return (await desk(output_type=NativeOutput(Order)).run(QUESTION)).output


def retried_by_framework() -> Any:
    """The validator sends the first answer back."""
    asking = desk(output_type=ToolOutput(Order), retries=1)
    seen: list[Order] = []

    @asking.output_validator
    def once(order: Order) -> Order:
        seen.append(order)
        if len(seen) == 1:
            raise ModelRetry("look again")
        return order

    return asking.run_sync(QUESTION).all_messages()


async def retried_by_sdk_async() -> Any:
    client = AsyncAnthropic(max_retries=1, default_headers=fails_once("sdk"))
    model = AnthropicModel(MODEL, provider=AnthropicProvider(anthropic_client=client))
    return (await Agent(model, model_settings={"max_tokens": 60}).run(QUESTION)).all_messages()


def direct() -> Any:
    return model_request_sync(f"anthropic:{MODEL}", [ModelRequest.user_text_prompt(QUESTION)])


async def direct_async() -> Any:
    return await model_request(f"anthropic:{MODEL}", [ModelRequest.user_text_prompt(QUESTION)])


CASES = (
    plain,
    streamed,
    plain_async,
    streamed_async,
    iterated_async,
    tools,
    tools_streamed_async,
    structured_by_tool,
    structured_by_tool_streamed_async,
    structured_by_schema_async,
    retried_by_framework,
    retried_by_sdk_async,
    direct,
    direct_async,
)


def trace() -> None:
    """Logfire's instrumentation of Pydantic AI, on the tracer provider that is there."""
    Agent.instrument_all()


def close() -> None:
    """Nothing waits."""
