"""A support desk on Instructor: every way in which it calls Claude."""
# The framework is installed only where this file runs.
# mypy: disable-error-code="import-not-found"
# pyright: basic, reportMissingImports=false

from __future__ import annotations

from typing import Annotated, Any

import instructor
from anthropic import Anthropic, AsyncAnthropic
from pydantic import BaseModel, Field, field_validator

MODEL = "claude-haiku-5-5"
QUESTION = "Where is my parcel?"
ASK: dict[str, Any] = {"max_tokens": 60, "messages": [{"role": "user", "content": QUESTION}]}


class Order(BaseModel):
    """What a customer asked about."""

    number: int
    urgent: bool
    subject: str


class Basket(BaseModel):
    """All that a customer asked about."""

    orders: Annotated[list[Order], Field(min_length=1)]


def desk(**more: Any) -> Any:
    return instructor.from_provider(f"anthropic/{MODEL}", **more)


def fails_once(scene: str) -> dict[str, str]:
    return {"x-sandbox-error": "529", "x-sandbox-error-times": "1", "x-sandbox-scene": scene}


def plain() -> Any:
    return desk().create(response_model=None, **ASK)


def structured() -> Any:
    return desk().create(response_model=Order, **ASK)


async def structured_async() -> Any:
    return await desk(async_client=True).create(response_model=Order, **ASK)


def with_completion() -> Any:
    return desk().create_with_completion(response_model=Order, **ASK)


def streamed() -> Any:
    return list(desk().create_partial(response_model=Order, **ASK))


async def streamed_async() -> Any:
    return [piece async for piece in desk(async_client=True).create_partial(response_model=Order, **ASK)]


def structured_list() -> Any:
    return desk().create(response_model=Basket, **ASK)


def retried_in_vain() -> Any:
    """The sandbox speaks no JSON unless it is given a tool or a schema."""
    return desk(mode=instructor.Mode.JSON_SCHEMA).create(
        response_model=Order, max_retries=2, **{**ASK, "max_tokens": 500}
    )


def wary() -> type[Order]:
    """An order that is believed the second time."""
    seen: list[int] = []

    class WaryOrder(Order):
        @field_validator("number")
        @classmethod
        def twice(cls, number: int) -> int:
            seen.append(number)
            if len(seen) == 1:
                raise ValueError("look again")
            return number

    return WaryOrder


def retried_by_framework() -> Any:
    return desk().create(response_model=wary(), max_retries=2, **ASK)


async def retried_by_framework_async() -> Any:
    return await desk(async_client=True).create(response_model=wary(), max_retries=2, **ASK)


def retried_by_sdk() -> Any:
    client = Anthropic(max_retries=1, default_headers=fails_once("sdk"))
    return instructor.from_anthropic(client).create(model=MODEL, response_model=Order, **ASK)


async def retried_by_sdk_async() -> Any:
    client = AsyncAnthropic(max_retries=1, default_headers=fails_once("sdk async"))
    return await instructor.from_anthropic(client).create(model=MODEL, response_model=Order, **ASK)


CASES = (
    plain,
    structured,
    structured_async,
    with_completion,
    streamed,
    streamed_async,
    structured_list,
    retried_in_vain,
    retried_by_framework,
    retried_by_framework_async,
    retried_by_sdk,
    retried_by_sdk_async,
)


def trace() -> None:
    """Instructor has no spans of its own."""


def close() -> None:
    """Nothing waits."""
