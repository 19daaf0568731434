"""Twenty days of traffic, each of another shape: what do applications do to a prompt cache?"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from tests.savings.placing import marked
from tests.savings.workload import Ask, Workload, in_order

from bursar.policies.cachemarks import Mark

FABLE, OPUS, SONNET, HAIKU = "claude-fable-5-2", "claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5"
OLD_HAIKU = "claude-haiku-4-5"
DAY, HOUR, MINUTE = 86_400.0, 3_600.0, 60.0

Json = dict[str, Any]
Shape = Callable[[random.Random], Iterator[Ask]]


def workloads(share: float = 1.0) -> list[Workload]:
    """All of them; of each day the first part. Seeded by its name, so that each stays what it is."""
    return [_made(name, shape, share) for name, shape in SHAPES.items()]


def _made(name: str, shape: Shape, share: float) -> Workload:
    day = in_order(name, shape(random.Random(name)))
    return replace(day, asks=day.asks[: max(1, round(share * len(day.asks)))])


def words(dice: random.Random, tokens: int) -> str:
    """A text of exactly so many tokens, that no other is equal to."""
    return dice.randbytes(2 * tokens).hex()


def text(dice: random.Random, tokens: int) -> Json:
    return {"type": "text", "text": words(dice, tokens)}


def said(role: str, *blocks: Json) -> Json:
    return {"role": role, "content": list(blocks)}


def tools(dice: random.Random, count: int, tokens: int) -> list[Json]:
    schema = {"type": "object", "properties": {"q": {"type": "string"}}}
    return [
        {"name": f"tool_{number}", "description": words(dice, tokens), "input_schema": schema}
        for number in range(count)
    ]


def asked(model: str, messages: list[Json], **more: Any) -> Json:
    return {"model": model, "max_tokens": 4_000, "messages": messages, **more}


def poisson(dice: random.Random, gap: float, until: float = DAY) -> Iterator[float]:
    """Times that come so far apart on average."""
    at = dice.expovariate(1 / gap)
    while at < until:
        yield at
        at += dice.expovariate(1 / gap)


def questions(
    model: str, gap: float, *, system: int = 3_000, until: float = DAY, marks: tuple[Mark, ...] = ()
) -> Shape:
    """Questions one by one behind a long system prompt that all share."""

    def shape(dice: random.Random) -> Iterator[Ask]:
        shared = [text(dice, system)]
        for at in poisson(dice, gap, until):
            body = asked(model, [said("user", text(dice, dice.randint(50, 400)))], system=shared)
            yield Ask(at, marked(body, marks), dice.uniform(0.5, 4), dice.randint(20, 300))

    return shape


def chats(
    model: str, *, every: float, turns: tuple[int, int], pause: tuple[float, float], marks: tuple[Mark, ...] = ()
) -> Shape:
    """Conversations that grow turn by turn, behind tools and a system prompt that all share."""

    def shape(dice: random.Random) -> Iterator[Ask]:
        shared: Json = {"tools": tools(dice, 5, 150), "system": [text(dice, 1_500)]}
        for begins in poisson(dice, every, DAY / 2):
            at = begins
            history: list[Json] = []
            for _ in range(dice.randint(*turns)):
                history = [*history, said("user", text(dice, dice.randint(30, 600)))]
                answer = dice.randint(50, 500)
                yield Ask(at, marked(asked(model, history, **shared), marks), dice.uniform(0.5, 4), answer)
                history = [*history, said("assistant", text(dice, answer))]
                at += dice.uniform(*pause)

    return shape


def tenants(dice: random.Random) -> Iterator[Ask]:
    """Seven customers, each with a system prompt of its own behind the tools that all share."""
    shared = tools(dice, 8, 200)
    for _ in range(7):
        own = [text(dice, dice.randint(1_000, 5_000))]
        for at in poisson(dice, dice.choice((3, 12, 40)) * MINUTE, DAY / 2):
            question = said("user", text(dice, dice.randint(50, 300)))
            yield Ask(at, asked(OPUS, [question], tools=shared, system=own), dice.uniform(0.5, 4))


def bursts(dice: random.Random) -> Iterator[Ask]:
    """Twenty calls within a minute, then nothing for about forty."""
    shared = [text(dice, 6_000)]
    for begins in poisson(dice, 40 * MINUTE):
        for _ in range(20):
            question = said("user", text(dice, dice.randint(100, 800)))
            yield Ask(begins + dice.uniform(0, 60), asked(HAIKU, [question], system=shared), dice.uniform(0.5, 4))


def cold_starts(dice: random.Random) -> Iterator[Ask]:
    """Eight workers that begin at once, and whose first answers are slow to begin: all of them write."""
    shared = [text(dice, 4_000)]
    for begins in poisson(dice, 90 * MINUTE):
        for round_ in range(3):
            for _ in range(8):
                at = begins + 40 * round_ + dice.uniform(0, 1)
                question = said("user", text(dice, dice.randint(100, 800)))
                yield Ask(at, asked(SONNET, [question], system=shared), dice.uniform(10, 20))


def below_minimum(dice: random.Random) -> Iterator[Ask]:
    """Long prompts, but not long enough for this model, which caches from 4,096 tokens on."""
    shared = [text(dice, 3_000)]
    for at in poisson(dice, 5 * MINUTE):
        question = said("user", text(dice, dice.randint(100, 800)))
        yield Ask(at, asked(OLD_HAIKU, [question], system=shared), dice.uniform(0.5, 4))


def barely_enough(dice: random.Random) -> Iterator[Ask]:
    """Neither the tools nor the system prompt reach the minimum of 512 alone; both together do."""
    shared: Json = {"tools": tools(dice, 2, 60), "system": [text(dice, 420)]}
    for at in poisson(dice, 2 * MINUTE, DAY / 2):
        question = said("user", text(dice, dice.randint(20, 100)))
        yield Ask(at, asked(SONNET, [question], **shared), dice.uniform(0.5, 4))


def changing_mark(dice: random.Random) -> Iterator[Ask]:
    """The system prompt begins with the time, and has the only mark: it is written each time, and never read."""
    rules = text(dice, 3_000)
    for at in poisson(dice, 4 * MINUTE, DAY / 2):
        body = asked(OPUS, [said("user", text(dice, 100))], system=[text(dice, 10), rules])
        yield Ask(at, marked(body, [Mark("system")]), dice.uniform(0.5, 4))


def changing_middle(dice: random.Random) -> Iterator[Ask]:
    """A mark behind a passage that changes; what stands before that is long, and shared."""
    rules, manual = text(dice, 4_000), text(dice, 2_000)
    for at in poisson(dice, 4 * MINUTE, DAY / 2):
        body = asked(OPUS, [said("user", text(dice, 100))], system=[rules, text(dice, 30), manual])
        yield Ask(at, marked(body, [Mark("system")]), dice.uniform(0.5, 4))


def agents(dice: random.Random) -> Iterator[Ask]:
    """Tool loops: many quick steps, each with a call and its long result."""
    yield from _loops(dice, OPUS, steps=(8, 25), wide=1)


def wide_agents(dice: random.Random) -> Iterator[Ask]:
    """Tool loops of twelve calls at once: each step adds 24 blocks, more than a mark looks back."""
    yield from _loops(dice, SONNET, steps=(3, 8), wide=12)


def _loops(dice: random.Random, model: str, *, steps: tuple[int, int], wide: int) -> Iterator[Ask]:
    shared: Json = {"tools": tools(dice, 10, 120), "system": [text(dice, 2_000)]}
    for begins in poisson(dice, 50 * MINUTE):
        at, history = begins, [said("user", text(dice, dice.randint(100, 1_000)))]
        for step in range(dice.randint(*steps)):
            yield Ask(at, asked(model, history, **shared), dice.uniform(0.5, 3), 60 * wide)
            calls = [
                {"type": "tool_use", "id": f"toolu_{step}_{call}", "name": "tool_0", "input": {"q": words(dice, 10)}}
                for call in range(wide)
            ]
            results = [
                {
                    "type": "tool_result",
                    "tool_use_id": call["id"],
                    "content": words(dice, dice.randint(100, 3_000 // wide)),
                }
                for call in calls
            ]
            history = [*history, said("assistant", *calls), said("user", *results)]
            at += dice.uniform(4, 20)


def documents(dice: random.Random) -> Iterator[Ask]:
    """A long document first, then a question; several questions about each within some minutes."""
    shared = [text(dice, 600)]
    for begins in poisson(dice, 15 * MINUTE, DAY / 2):
        document = text(dice, dice.randint(5_000, 15_000))
        at = begins
        for _ in range(dice.randint(1, 6)):
            yield Ask(at, asked(SONNET, [said("user", document, text(dice, 60))], system=shared), dice.uniform(1, 5))
            at += dice.uniform(20, 400)


def long_prompts(dice: random.Random) -> Iterator[Ask]:
    """Conversations that grow beyond 100,000 tokens, where Haiku 5.5 takes five times the price of everything."""
    shared = [text(dice, 5_000)]
    for begins in poisson(dice, 1.2 * HOUR, DAY / 2):
        at, history = begins, [said("user", text(dice, dice.randint(60_000, 85_000)))]
        for _ in range(6):
            yield Ask(at, asked(HAIKU, history, system=shared), dice.uniform(2, 6), 400)
            history = [
                *history,
                said("assistant", text(dice, 400)),
                said("user", text(dice, dice.randint(1_000, 9_000))),
            ]
            at += dice.uniform(30, 200)


def choosing(dice: random.Random) -> Iterator[Ask]:
    """The tool choice alternates from turn to turn, which loses the cached messages and keeps tools and system."""
    for ask in chats("claude-sonnet-4-6", every=20 * MINUTE, turns=(3, 8), pause=(20, 120))(dice):
        choice = {"type": "any" if len(ask.body["messages"]) % 4 == 1 else "auto"}
        yield replace(ask, body={**ask.body, "tool_choice": choice})


SHAPES: dict[str, Shape] = {
    "questions every 2 min, Sonnet": questions(SONNET, 2 * MINUTE, until=DAY / 2),
    "questions every 10 min, Haiku": questions(HAIKU, 10 * MINUTE),
    "questions every 20 min, Opus": questions(OPUS, 20 * MINUTE),
    "questions every 50 min, Fable": questions(FABLE, 50 * MINUTE, until=3 * DAY),
    "chats in tools and system, Sonnet": chats(SONNET, every=15 * MINUTE, turns=(2, 9), pause=(20, 240)),
    "chats with long pauses, Fable": chats(FABLE, every=60 * MINUTE, turns=(3, 8), pause=(6 * MINUTE, 25 * MINUTE)),
    "seven tenants, Opus": tenants,
    "bursts of twenty, Haiku": bursts,
    "eight cold starts at once": cold_starts,
    "below the model's minimum": below_minimum,
    "enough only together": barely_enough,
    "mark on what is asked once": questions(SONNET, 3 * MINUTE, until=DAY / 2, marks=(Mark("messages[0]"),)),
    "mark behind the time of day": changing_mark,
    "mark behind a changing passage": changing_middle,
    "an hour paid for five minutes": chats(
        OPUS, every=HOUR, turns=(4, 9), pause=(10, 60), marks=(Mark("system", "1h"), Mark("tail", "1h"))
    ),
    "five minutes where an hour pays": questions(SONNET, 9 * MINUTE, marks=(Mark("system"),)),
    "agents in tool loops, Opus": agents,
    "agents, 24 blocks a step": wide_agents,
    "documents first, Sonnet": documents,
    "prompts beyond 100,000, Haiku": long_prompts,
    "tool choice to and fro": choosing,
    "automatic already": chats(SONNET, every=15 * MINUTE, turns=(2, 9), pause=(20, 240), marks=(Mark("tail"),)),
}
