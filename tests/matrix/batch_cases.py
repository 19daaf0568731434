"""Cases of batches: submitted for nothing, billed by each succeeded result, once, wherever it is read."""

from __future__ import annotations

import json
from typing import Any

from tests.matrix.answers import BATCH_USAGE, LINES, Answer, message
from tests.matrix.case import TOKENS_NANO, Case, Charged
from tests.matrix.stage import ASK, Stage

BATCH = "msgbatch_1"
REQUESTS: Any = [{"custom_id": "one", "params": ASK}, {"custom_id": "two", "params": ASK}]


def create(stage: Stage) -> object:
    return stage.client().messages.batches.create(requests=REQUESTS)


def beta_create(stage: Stage) -> object:
    return stage.client().beta.messages.batches.create(requests=REQUESTS)


def retrieve(stage: Stage) -> object:
    return stage.client().messages.batches.retrieve(BATCH)


def results(stage: Stage) -> object:
    found = stage.client().messages.batches.results(BATCH)
    stage.look("before they are read")
    return list(found)


def beta_results(stage: Stage) -> object:
    return list(stage.client().beta.messages.batches.results(BATCH))


def results_twice(stage: Stage) -> object:
    client = stage.client()
    return [list(client.messages.batches.results(BATCH)), list(client.messages.batches.results(BATCH))]


def results_by_a_copy_and_beta(stage: Stage) -> object:
    client = stage.client()
    first = list(client.with_options(timeout=3).messages.batches.results(BATCH))
    return [first, list(client.beta.messages.batches.results(BATCH))]


def first_result(stage: Stage) -> object:
    return next(iter(stage.client().messages.batches.results(BATCH)))


def results_unread(stage: Stage) -> object:
    stage.client().messages.batches.results(BATCH)
    return None


def results_by_get(stage: Stage) -> object:
    client = stage.client()
    return client.get(f"/v1/messages/batches/{BATCH}/results", cast_to=str)


async def async_results(stage: Stage) -> object:
    return [line async for line in await stage.async_client().messages.batches.results(BATCH)]


async def async_beta_results(stage: Stage) -> object:
    return [line async for line in await stage.async_client().beta.messages.batches.results(BATCH)]


async def async_create(stage: Stage) -> object:
    return await stage.async_client().messages.batches.create(requests=REQUESTS)


def ended(name: str) -> tuple[Answer, Answer]:
    """A batch that has ended, and its results: three succeeded, one of each other kind."""
    counts = {"processing": 0, "succeeded": 3, "errored": 1, "canceled": 1, "expired": 1}
    batch = {
        "id": BATCH,
        "type": "message_batch",
        "processing_status": "ended",
        "request_counts": counts,
        "created_at": "2026-11-22T00:00:00Z",
        "expires_at": "2026-11-23T00:00:00Z",
        "ended_at": "2026-11-22T01:00:00Z",
        "archived_at": None,
        "cancel_initiated_at": None,
        "results_url": f"https://api.anthropic.com/v1/messages/batches/{BATCH}/results",
    }
    succeeded = [{"type": "succeeded", "message": message(id=f"msg_{name}_{n}", usage=BATCH_USAGE)} for n in range(3)]
    error = {"type": "error", "error": {"type": "invalid_request_error", "message": "no"}}
    others = [{"type": "errored", "error": error}, {"type": "canceled"}, {"type": "expired"}]
    lines = [{"custom_id": f"request {n}", "result": result} for n, result in enumerate([*succeeded, *others])]
    body = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    return Answer(json.dumps(batch).encode()), Answer(body, LINES)


def free(name: str, act: Any) -> Case:
    """A case that costs nothing."""
    return Case(name, act, ended(name)[:1], charges=(), spans=())


def read(name: str, act: Any, *, results: int = 3, times: int = 1) -> Case:
    """A case that reads so many succeeded results, the batch's answers being given so many times."""
    charges = (Charged(BATCH_NANO, "usage"),) * results
    answers = ended(name) * times
    whole = BATCH_NANO * results
    return Case(name, act, answers, charges=charges, spans=(), requests=len(answers), elsewhere_nano=whole)


BATCH_NANO = TOKENS_NANO // 2
"""A batch costs half, cached tokens included."""

CASES = [
    free("batches_create", create),
    free("beta_batches_create", beta_create),
    free("async_batches_create", async_create),
    free("batches_retrieve", retrieve),
    read("batches_results", results),
    read("beta_batches_results", beta_results),
    read("async_batches_results", async_results),
    read("async_beta_batches_results", async_beta_results),
    read("batches_results_twice", results_twice, times=2),
    read("batches_results_by_a_copy_and_beta", results_by_a_copy_and_beta, times=2),
    read("batches_results_first_only", first_result, results=1),
    read("batches_results_unread", results_unread, results=0),
    Case(
        "batches_results_by_get",
        results_by_get,
        ended("by_get")[1:],
        charges=(Charged(BATCH_NANO, "usage"),) * 3,
        spans=(),
        elsewhere_nano=3 * BATCH_NANO,
    ),
]
