"""Small random streams of calls whose every set of marks can be tried: what the search must agree with."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from bursar.agent.advice.caching.chain import Call, Policy
from bursar.agent.advice.caching.promptcache import Prefix, PromptCache, Refresh
from bursar.policies.prices import Rates

SECOND = 10**9
RATES = (
    Rates(input=4_000_000, cache_read=200_000, cache_write_5m=5_000_000, cache_write_1h=8_000_000, output=20_000_000),
    Rates(input=1_000_000, cache_read=100_000, cache_write_5m=1_250_000, cache_write_1h=2_000_000, output=5_000_000),
)
_GAPS = (0, 1, 7, 40, 200, 299, 300, 301, 900, 2_400, 3_600, 5_000)


@dataclass(slots=True)
class Tree:
    """Prefixes by what they consist of: equal ones are one object."""

    random: Random
    known: dict[tuple[str, ...], Prefix]

    def prefix(self, blocks: tuple[str, ...]) -> Prefix:
        """The prefix of these blocks; a new one gets a random length."""
        if blocks not in self.known:
            parent = self.prefix(blocks[:-1]) if len(blocks) > 1 else None
            tokens = self.random.choice((0, 30, 200, 500, 1_500, 4_000))
            self.known[blocks] = Prefix(parent, len(blocks), tokens if parent is None else parent.end + tokens)
        return self.known[blocks]


def small_case(seed: int, *, places: int = 3, calls: int = 14) -> tuple[list[Call], int, int]:
    """Calls, how many places they have, and the shortest prefix that is cached."""
    random = Random(seed)
    tree = Tree(random, {})
    places = random.randint(1, places)
    widths = [random.randint(1, 3) for _ in range(places)]
    variants = [random.randint(1, 3) for _ in range(places)]
    gap = random.choice((_GAPS[:6], _GAPS, _GAPS[3:]))
    talks: list[tuple[str, ...]] = []
    found: list[Call] = []
    now = 0
    for number in range(random.randint(2, calls)):
        now += random.choice(gap) * SECOND
        if not talks or random.random() < 0.6:
            head: tuple[str, ...] = ()
            for width, kinds in zip(widths, variants, strict=True):
                head += (f"{random.randrange(kinds)}",) * width
            talk = head
        else:
            talk = random.choice(talks)
        talk += tuple(f"{number}.{place}" for place in range(random.randint(0, 7)))
        talks.append(talk)
        ends = [sum(widths[: place + 1]) for place in range(places)]
        last = tree.prefix(talk)
        total = last.end + random.choice((0, 90))
        at = tuple(tree.prefix(talk[:end]) for end in ends)
        ready = now + random.choice((0, 0, 2, 60)) * SECOND
        weight = random.choice((1_000, 1_000, 4_000))
        found.append(Call(now, ready, total, random.choice(RATES), weight, at, last))
    return found, places, random.choice((0, 0, 512, 1_024))


def replayed(calls: list[Call], policy: Policy, minimum: int, refresh: Refresh = Refresh.MARKED) -> int:
    """What a set of marks saves against none, call by call, in thousandths of pico-dollars."""
    cache = PromptCache(minimum, refresh)
    saved = 0
    for call in calls:
        bill = cache.request(call.at_ns, call.ready_ns, call.total, policy.on(call))
        rates = call.rates
        cost = bill.input * rates.input + bill.read * rates.cache_read
        cost += bill.write_5m * rates.cache_write_5m + bill.write_1h * rates.cache_write_1h
        saved += call.weight * (call.total * rates.input - cost)
    return saved
