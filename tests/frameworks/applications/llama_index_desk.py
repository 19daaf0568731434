"""A support desk on LlamaIndex: every way in which it calls Claude."""
# The framework is installed only where this file runs.
# mypy: disable-error-code="import-not-found"
# pyright: basic, reportMissingImports=false

from __future__ import annotations

from typing import Any

from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.llms import ChatMessage
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool
from llama_index.llms.anthropic import Anthropic
from pydantic import BaseModel

MODEL = "claude-haiku-5-5"
QUESTION = "Where is my parcel?"
CHAT = [ChatMessage(role="user", content=QUESTION)]


class Order(BaseModel):
    """What a customer asked about."""

    number: int
    urgent: bool
    subject: str


def find_parcel(number: int) -> str:
    """Where a parcel is."""
    return f"parcel {number} is in Utrecht"


TOOL = FunctionTool.from_defaults(find_parcel)


def llm(**more: Any) -> Any:
    return Anthropic(model=MODEL, max_tokens=60, **more)


def fails_once(scene: str) -> dict[str, str]:
    return {"x-sandbox-error": "529", "x-sandbox-error-times": "1", "x-sandbox-scene": scene}


def plain() -> Any:
    return llm().chat(CHAT)


def completion() -> Any:
    return llm().complete(QUESTION)


def streamed() -> Any:
    return list(llm().stream_chat(CHAT))


def completion_streamed() -> Any:
    return list(llm().stream_complete(QUESTION))


async def plain_async() -> Any:
    return await llm().achat(CHAT)


async def streamed_async() -> Any:
    return [piece async for piece in await llm().astream_chat(CHAT)]


def predicted() -> Any:
    return llm().predict(PromptTemplate("Answer {question}"), question=QUESTION)


def tools() -> Any:
    return llm().predict_and_call([TOOL], QUESTION)


async def tools_async() -> Any:
    return await llm().achat_with_tools([TOOL], QUESTION)


async def agent_async() -> Any:
    return str(await FunctionAgent(tools=[TOOL], llm=llm()).run(QUESTION))


async def agent_unstreamed_async() -> Any:
    return str(await FunctionAgent(tools=[TOOL], llm=llm(), streaming=False).run(QUESTION))


def structured() -> Any:
    return llm().structured_predict(Order, PromptTemplate("Read {question}"), question=QUESTION)


async def structured_async() -> Any:
    return await llm().astructured_predict(Order, PromptTemplate("Read {question}"), question=QUESTION)


def structured_streamed() -> Any:
    return list(llm().stream_structured_predict(Order, PromptTemplate("Read {question}"), question=QUESTION))


def structured_chat() -> Any:
    return llm().as_structured_llm(Order).chat(CHAT).raw


def retried_by_sdk() -> Any:
    return llm(max_retries=1, default_headers=fails_once("sdk")).chat(CHAT)


async def retried_by_sdk_async() -> Any:
    return await llm(max_retries=1, default_headers=fails_once("sdk async")).achat(CHAT)


CASES = (
    plain,
    completion,
    streamed,
    completion_streamed,
    plain_async,
    streamed_async,
    predicted,
    tools,
    tools_async,
    agent_async,
    agent_unstreamed_async,
    structured,
    structured_async,
    structured_streamed,
    structured_chat,
    retried_by_sdk,
    retried_by_sdk_async,
)


def trace() -> None:
    """LlamaIndex's own events are no spans of OpenTelemetry."""


def close() -> None:
    """Nothing waits."""
