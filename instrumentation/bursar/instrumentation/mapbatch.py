"""How is a whole list of requests answered by Message Batches, at half the price? By the client that it is given."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, cast, overload

from anthropic import Anthropic, AsyncAnthropic
from anthropic.types import Message

from bursar.instrumentation import runtime as runtimes
from bursar.instrumentation.call import provider_of
from bursar.instrumentation.context import Work, doing, name_work
from bursar.instrumentation.hands import AsyncHands, Hands, SyncHands
from bursar.instrumentation.ids import Ids
from bursar.instrumentation.mapping import BatchMapping, Step, Steps
from bursar.instrumentation.progress import progress_of
from bursar.instrumentation.quiet import quiet
from bursar.instrumentation.runtime import Runtime

Answers = list[Message | Exception]
Requests = Iterable[Mapping[str, Any]]


@overload
def map_batch(
    client: AsyncAnthropic,
    requests: Requests,
    *,
    progress: bool | None = None,
    timeout: float | None = None,
    batch_ids: Sequence[str] = (),
) -> Coroutine[Any, Any, Answers]: ...


@overload
def map_batch(
    client: Anthropic,
    requests: Requests,
    *,
    progress: bool | None = None,
    timeout: float | None = None,
    batch_ids: Sequence[str] = (),
) -> Answers: ...


def map_batch(
    client: Any,
    requests: Requests,
    *,
    progress: bool | None = None,
    timeout: float | None = None,
    batch_ids: Sequence[str] = (),
) -> Any:
    """
    The messages for a list of requests, in its order, by Message Batches at half the price.

        messages = map_batch(client, [{"model": MODEL, "max_tokens": 50, "messages": [...]}, ...])
        messages = await map_batch(async_client, requests)

    Each request is a dict of `messages.create` parameters. What has no message has an exception in its place: the
    error that the SDK would raise, `BudgetExceeded` where a budget refuses it, or `BatchItemError`. `client` submits
    them itself, with its own key and base URL. `progress` is shown where standard error is a terminal, or as told.

    Raises `TimeoutError` where batches have not ended after `timeout` seconds. It, as any other error that breaks the
    list off, has a note with the ids of the batches: with these as `batch_ids`, and the same list, their answers are
    read and only what was not submitted is. Raises `TypeError` for clients of Bedrock, Vertex and Foundry, and
    `ValueError` for batches that were not made of this list. docs/mapbatch.md tells the rest.
    """
    kind = type(client).__name__
    if provider_of(kind) != "anthropic":
        raise TypeError(f"map_batch() needs a client of Anthropic's own API: {kind} has no Message Batches")
    listed = list(requests)
    runtime = runtimes.current_runtime()
    # Here, and not in the coroutine: that may run where nobody sees any more who made it.
    work = _work(runtime)
    if inspect.iscoroutinefunction(inspect.unwrap(client.messages.create)):
        return _on_loop(client, listed, work, runtime, progress, timeout, batch_ids)
    return _on_thread(client, listed, work, runtime, progress, timeout, batch_ids)


def _on_thread(
    client: Any,
    requests: list[Any],
    work: Work,
    runtime: Runtime | None,
    progress: bool | None,
    timeout: float | None,
    batch_ids: Sequence[str],
) -> Answers:
    hands = SyncHands(client)
    if runtime is not None:
        if runtime.guard.is_new:
            hands.greet(runtime.guard)
        work = _named(work, runtime)
    mapping = _mapping(client, hands, requests, work, runtime, progress, timeout, batch_ids)
    with doing(work), mapping:
        return carried(mapping.run())


async def _on_loop(
    client: Any,
    requests: list[Any],
    work: Work,
    runtime: Runtime | None,
    progress: bool | None,
    timeout: float | None,
    batch_ids: Sequence[str],
) -> Answers:
    hands = AsyncHands(client)
    if runtime is not None:
        if runtime.guard.is_new:
            await hands.greet(runtime.guard)
        work = _named(work, runtime)
    mapping = _mapping(client, hands, requests, work, runtime, progress, timeout, batch_ids)
    with doing(work), mapping:
        return await carried_async(mapping.run())


def carried(steps: Steps) -> list[Any]:
    """What the steps come to, each done here and now."""
    go_on: Callable[[], Step] = partial(next, steps)
    while True:
        try:
            step = go_on()
        except StopIteration as stop:
            return cast("list[Any]", stop.value)
        try:
            go_on = partial(steps.send, step())
        except Exception as error:  # noqa: BLE001 - whoever asked for the step says what it means
            go_on = partial(steps.throw, error)


async def carried_async(steps: Steps) -> list[Any]:
    """The same on an event loop."""
    go_on: Callable[[], Step] = partial(next, steps)
    while True:
        try:
            step = go_on()
        except StopIteration as stop:
            return cast("list[Any]", stop.value)
        try:
            go_on = partial(steps.send, await step())
        except Exception as error:  # noqa: BLE001 - as above
            go_on = partial(steps.throw, error)


def _mapping(
    client: Any,
    hands: Hands,
    requests: list[Any],
    work: Work,
    runtime: Runtime | None,
    progress: bool | None,
    timeout: float | None,
    batch_ids: Sequence[str],
) -> BatchMapping:
    ids = runtime.ids if runtime is not None else Ids()
    return BatchMapping(
        client,
        hands,
        requests,
        work=work,
        runtime=runtime,
        new_id=ids.attempt,
        now=time.time,
        clock=time.monotonic,
        progress=progress_of(len(requests), progress),
        timeout=timeout,
        batch_ids=batch_ids,
    )


def _work(runtime: Runtime | None) -> Work:
    if runtime is None:
        return Work()
    config = runtime.config
    return name_work(
        default_route=config.route,
        default_labels=config.labels,
        find=lambda caller: runtime.rules.find_route(caller, config.service),
    )


def _named(work: Work, runtime: Runtime) -> Work:
    """By rules that may have come after the list was given, whoever fetched them, where none had found a route."""
    with quiet("find a route"):
        if work.caller is not None and work.route == work.caller:
            found = runtime.rules.find_route(work.caller, runtime.config.service)
            return Work(found or work.caller, work.labels, work.caller)
    return work
