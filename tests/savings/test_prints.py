"""Claims about fingerprints: what they hold for equal is equal for the cache, and they are as long as it is billed."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import pairwise, takewhile

from tests.savings import generated, rebuilt
from tests.savings.prints import Blur, Worker
from tests.savings.workload import Ask

from bursar.agent.sandbox.errors import ApiError
from bursar.agent.sandbox.request import MessageRequest, parse_request
from bursar.policies.fingerprint import Block

FIRST = 16
"""Requests of each day."""


@cache
def days() -> list[list[tuple[Ask, MessageRequest]]]:
    """Requests of generated and, where they are there, recorded traffic, as far as the sandbox serves them."""
    return list(_days())


def _days() -> Iterator[list[tuple[Ask, MessageRequest]]]:
    for day in (*generated.workloads(), *rebuilt.workloads(times=1)):
        served: list[tuple[Ask, MessageRequest]] = []
        for ask in day.asks[:FIRST]:
            try:
                served.append((ask, parse_request(ask.body, ask.betas or None)))
            except ApiError:
                continue
        yield served


def blocks(ask: Ask) -> tuple[Block, ...]:
    told = Worker(Blur()).fingerprint("a", ask.body, 1.0)
    assert told is not None
    return told.blocks


def alike(one: Ask, other: Ask) -> int:
    """Blocks with tokens that both begin with."""
    same = takewhile(lambda pair: pair[0].hash == pair[1].hash, zip(blocks(one), blocks(other), strict=False))
    return sum(1 for block, _ in same if block.kind != "settings")


def found(one: MessageRequest, other: MessageRequest) -> int:
    """Positions of the cache that both begin with."""
    pairs = zip(one.prompt.digests, other.prompt.digests, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def test_what_is_equal_is_equal_for_the_cache() -> None:
    """Of any two requests in a row to one model, the same blocks at the beginning."""
    compared = 0
    for day in days():
        for (one, sent), (other, sent_next) in pairwise(day):
            if sent.model == sent_next.model:
                assert alike(one, other) == found(sent, sent_next)
                compared += found(sent, sent_next) > 0
    assert compared > 150


def test_they_are_as_long_as_it_is_billed() -> None:
    """So that what a prediction is off by is not the estimate of tokens."""
    for day in days():
        for ask, sent in day:
            assert sum(block.tokens for block in blocks(ask)) == sent.prompt_tokens


def test_marks_stand_where_the_api_sees_them() -> None:
    """Those of blocks, and those inside results of tools; an automatic one apart."""
    for day in days():
        for ask, sent in day:
            told = [place for place, block in enumerate(b for b in blocks(ask) if b.kind != "settings") if block.mark]
            seen = {mark.position for mark in sent.prompt.marks}
            assert seen - set(told) <= ({len(sent.prompt.ends) - 1} if ask.body.get("cache_control") else set())
            assert set(told) <= seen
