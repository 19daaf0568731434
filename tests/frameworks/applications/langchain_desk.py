"""A support desk on LangChain: every way in which it calls Claude."""
# The framework is installed only where this file runs.
# mypy: disable-error-code="import-not-found,untyped-decorator"
# pyright: basic, reportMissingImports=false

from __future__ import annotations

from typing import Any

from langchain.agents import create_agent
from langchain_anthropic import ChatAnthropic
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tools import tool
from langchain_core.tracers.langchain import wait_for_all_tracers
from pydantic import BaseModel

MODEL = "claude-haiku-5-5"
QUESTION = "Where is my parcel?"


class Order(BaseModel):
    """What a customer asked about."""

    number: int
    urgent: bool
    subject: str


@tool
def find_parcel(number: int) -> str:
    """Where a parcel is."""
    return f"parcel {number} is in Utrecht"


def chat(**more: Any) -> Any:
    return ChatAnthropic(model=MODEL, max_tokens=60, **more)


def fails_once(scene: str) -> dict[str, str]:
    return {"x-sandbox-error": "529", "x-sandbox-error-times": "1", "x-sandbox-scene": scene}


def plain() -> Any:
    return chat().invoke(QUESTION)


def streamed() -> Any:
    return list(chat().stream(QUESTION))


async def plain_async() -> Any:
    return await chat().ainvoke(QUESTION)


async def streamed_async() -> Any:
    return [piece async for piece in chat().astream(QUESTION)]


async def events_async() -> Any:
    return [event["event"] async for event in chat().astream_events(QUESTION)]


def chain() -> Any:
    steps = ChatPromptTemplate.from_template("Answer {question} in a word") | chat() | StrOutputParser()
    return steps.invoke({"question": QUESTION})


async def chain_streamed_async() -> Any:
    steps = ChatPromptTemplate.from_template("Answer {question} in a word") | chat() | StrOutputParser()
    return [piece async for piece in steps.astream({"question": QUESTION})]


def tools() -> Any:
    bound = chat().bind_tools([find_parcel])
    asked = bound.invoke(QUESTION)
    results = [find_parcel.invoke(call) for call in asked.tool_calls]
    return [asked, *results, bound.invoke([("human", QUESTION), asked, *results])]


async def tools_streamed_async() -> Any:
    return [piece async for piece in chat().bind_tools([find_parcel]).astream(QUESTION)]


def agent() -> Any:
    return create_agent(chat(), [find_parcel]).invoke({"messages": [("human", QUESTION)]})["messages"]


async def agent_async() -> Any:
    return (await create_agent(chat(), [find_parcel]).ainvoke({"messages": [("human", QUESTION)]}))["messages"]


def agent_streamed() -> Any:
    return list(create_agent(chat(), [find_parcel]).stream({"messages": [("human", QUESTION)]}, stream_mode="messages"))


def structured_by_tool() -> Any:
    return chat().with_structured_output(Order, method="function_calling").invoke(QUESTION)


async def structured_by_schema_async() -> Any:
    return await chat().with_structured_output(Order, method="json_schema").ainvoke(QUESTION)


def retried_by_framework() -> Any:
    once = chat(max_retries=0, default_headers=fails_once("framework"))
    return once.with_retry(stop_after_attempt=2, wait_exponential_jitter=False).invoke(QUESTION)


async def retried_by_sdk_async() -> Any:
    return await chat(max_retries=1, default_headers=fails_once("sdk")).ainvoke(QUESTION)


def batch() -> Any:
    return chat().batch([f"{QUESTION} {n}" for n in range(3)])


async def batch_async() -> Any:
    return await chat().abatch([f"{QUESTION} {n}" for n in range(3)])


CASES = (
    plain,
    streamed,
    plain_async,
    streamed_async,
    events_async,
    chain,
    chain_streamed_async,
    tools,
    tools_streamed_async,
    agent,
    agent_async,
    agent_streamed,
    structured_by_tool,
    structured_by_schema_async,
    retried_by_framework,
    retried_by_sdk_async,
    batch,
    batch_async,
)


def trace() -> None:
    """LangSmith's tracing is switched on by its environment variables."""


def close() -> None:
    wait_for_all_tracers()
