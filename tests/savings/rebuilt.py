"""Which conversations does the recorded traffic hold, and what would a day of them look like?

Requests of one recording are one conversation where the messages of each begin with all of the one before. What is made
up is when they were sent, and that each conversation is held several times, each time with a word of its own in the
first question.
"""

from __future__ import annotations

import json
import lzma
import random
import re
from collections import defaultdict
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

from tests.savings.placing import unmarked
from tests.savings.workload import Ask, Workload, in_order

from bursar.agent.sandbox.errors import ApiError
from bursar.agent.sandbox.request import parse_request

RECORDED = Path(__file__).parents[3] / "shared" / "data" / "recorded.jsonl.xz"
_CALLS = ("messages", "messages_stream")
_BETA = "anthropic-beta"
_GONE = re.compile("REDACTED|structured-outputs")
_SAMPLING = ("temperature", "top_p", "top_k")
"""No part of the prompt, and refused by the API's newest version."""
_LATER = 30_000.0
"""Seconds within which a conversation begins again."""

Json = dict[str, Any]
Said = tuple[Json, str]
"""A request's body, and its betas."""


def workloads(model: str | None = None, times: int = 6) -> list[Workload]:
    """
    A day for each project of the recorded traffic, its models as they were or all one model.

    Empty where the recorded traffic is not there.
    """
    projects: dict[str, list[list[Said]]] = defaultdict(list)
    for project, conversation in conversations():
        projects[project].append(conversation)
    return [_workload(project, held, model, times) for project, held in sorted(projects.items())]


def alone(model: str | None = None, times: int = 12) -> list[Workload]:
    """A day for each conversation that is long enough to be cached, as if it were all that its route is asked."""
    return [
        _workload(f"{project} {number}", [conversation], model, times)
        for number, (project, conversation) in enumerate(conversations())
        if any(_long_enough(_own(body, 0, model), betas) for body, betas in conversation)
    ]


def _workload(name: str, held: list[list[Said]], model: str | None, times: int) -> Workload:
    end = "as recorded" if model is None else f"on {model}"
    return in_order(f"{_named(name)}, {end}", _day(random.Random(name), held, model, times))


def _long_enough(body: Json, betas: str) -> bool:
    try:
        request = parse_request(body, betas or None)
    except ApiError:
        return False
    return request.prompt_tokens >= request.model.min_cache


@cache
def conversations() -> tuple[tuple[str, list[Said]], ...]:
    """Each with its project: two requests or more that go on from each other."""
    return tuple(_conversations())


def _conversations() -> Iterator[tuple[str, list[Said]]]:
    recordings: dict[tuple[str, str], list[Json]] = defaultdict(list)
    for row in _rows():
        if row["category"] in _CALLS and row["request"]:
            recordings[row["repo"], row["path"]].append(row)
    for (project, _), rows in recordings.items():
        for chain in _chains(sorted(rows, key=lambda row: row["n"])):
            if len(chain) > 1:
                yield project, [(row["request"], _betas(row)) for row in chain]


def _named(project: str) -> str:
    """Without owner, registry and version."""
    return re.sub(r"==\S+ \(sdist\)|^pypi:|^[^/]+/", "", project)


def _rows() -> Iterator[Json]:
    if RECORDED.exists():
        with lzma.open(RECORDED, "rt") as file:
            yield from map(json.loads, file)


def _chains(rows: list[Json]) -> list[list[Json]]:
    chains: list[list[Json]] = []
    for row in rows:
        chain = next((chain for chain in chains if _goes_on(chain[-1]["request"], row["request"])), None)
        if chain is None:
            chains.append([row])
        else:
            chain.append(row)
    return chains


def _goes_on(earlier: Json, later: Json) -> bool:
    before, after = unmarked(earlier)["messages"], unmarked(later)["messages"]
    return len(after) > len(before) and after[: len(before)] == before


def _betas(row: Json) -> str:
    """Without what was taken out of the recording, and what the API has since taken for granted."""
    headers: Json = row["request_headers"] or {}
    told = next((value for name, value in headers.items() if name.lower() == _BETA), "")
    return ",".join(beta for beta in told.split(",") if not _GONE.search(beta))


def _day(dice: random.Random, held: list[list[Said]], model: str | None, times: int) -> Iterator[Ask]:
    for conversation in held:
        for number in range(times):
            at = dice.uniform(0, _LATER)
            for body, betas in conversation:
                yield Ask(at, _own(body, number, model), dice.uniform(0.5, 4), betas=betas)
                at += dice.choice((dice.uniform(3, 30), dice.uniform(30, 290), dice.uniform(300, 1_500)))


def _own(body: Json, number: int, model: str | None) -> Json:
    """The request of another user: its first question ends with a word of its own."""
    made = {name: value for name, value in deepcopy(body).items() if name not in ("stream", *_SAMPLING)}
    made["model"] = model or body["model"]
    first = made["messages"][0]
    if isinstance(first["content"], str):
        first["content"] += f" ({number})"
    else:
        first["content"] = [*first["content"], {"type": "text", "text": f"({number})"}]
    return made
