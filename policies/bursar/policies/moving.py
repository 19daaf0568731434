"""
What does it cost to move a conversation to another model, against staying where its prefix is cached?

Formulas: DESIGN's algorithms, section 5. With n calls to come on a prefix of P tokens that grows by u, o tokens out:

    stay = sum over the calls of (read P + write u) + n o out
    move = write P + write u + o out, and as many calls fewer to stay; in the other model's tokens and prices
"""

from __future__ import annotations

from fractions import Fraction

from bursar.policies.book import Rates
from bursar.policies.estimate import PICO_PER_NANO, Density, dearest_input
from bursar.policies.requestsize import RequestSize
from bursar.policies.values import value

ENOUGH = 20
"""So many calls must have come so far into a conversation before anything is said of how many follow."""
MEMORY = 2_000
"""Calls of a route after which what was seen of it counts half."""
FURTHEST = 1_000
"""Break-even is not looked for beyond so many calls."""


@value
class Terms:
    """What a model takes for a token, in any one unit of money."""

    write: int
    read: int
    output: int
    tokens: Fraction = Fraction(1)
    """Its tokens for one of the model that the lengths are counted in."""


@value
class Turns:
    """What is to come of a conversation, each figure in tokens: its prefix, what each call adds to it, and puts out."""

    prefix: int
    fresh: int
    output: int


def stay(calls: int, turns: Turns, terms: Terms) -> Fraction:
    """So many calls where the prefix is cached: each reads all that was before, and writes what is new."""
    read = calls * turns.prefix + turns.fresh * (calls * (calls - 1) // 2)
    each = terms.write * turns.fresh + terms.output * turns.output
    return terms.tokens * (terms.read * read + calls * each)


def move(calls: int, turns: Turns, terms: Terms) -> Fraction:
    """So many calls where nothing is cached yet: the first one writes it all."""
    if calls <= 0:
        return Fraction(0)
    return stay(calls, turns, terms) + terms.tokens * (terms.write - terms.read) * turns.prefix


def break_even(turns: Turns, here: Terms, there: Terms) -> int | None:
    """The fewest calls to come from which moving is cheaper than staying; None where it never is."""
    found = (n for n in range(1, FURTHEST + 1) if move(n, turns, there) < stay(n, turns, here))
    return next(found, None)


def terms(size: RequestSize, rates: Rates) -> Terms:
    """What a conversation pays on a model, in pico-dollars a token: without marks it pays for all of it each time."""
    if not size.marks:
        return Terms(write=0, read=rates.input, output=rates.output)
    return Terms(write=dearest_input(size, rates), read=rates.cache_read, output=rates.output)


def later(size: RequestSize, rates: Rates, *, calls: int, output_tokens: int, density: Density) -> int:
    """
    What so many calls that follow this one in its conversation will likely cost on a model, in nano-dollars.

    Each goes on from where the one before has ended: of what is added to the prefix only the answer is known.
    """
    output = min(output_tokens, size.max_tokens)
    turns = Turns(density.tokens(size) + output, output, output)
    return int(stay(calls, turns, terms(size, rates)) / PICO_PER_NANO)


class Lengths:
    """
    How long the conversations of one route are, from nothing but how far into them its calls come.

    Each conversation comes by every length up to its own, so that of calls with k turns behind them as many had j more
    to come as there were calls with k + j. Those that are still under way make the answer too small rather than too
    large; what is long ago counts less.
    """

    def __init__(self) -> None:
        self._seen: dict[int, int] = {}
        self._total = 0

    def add(self, turns: int) -> None:
        """Count a call that comes after so many of the model's turns."""
        self._seen[turns] = self._seen.get(turns, 0) + 1
        self._total += 1
        if self._total >= MEMORY:
            self._seen = {turns: half for turns, count in self._seen.items() if (half := count // 2)}
            self._total = sum(self._seen.values())

    def to_come(self, turns: int) -> int | None:
        """The calls that a conversation has to come with one half's odds, the present one included; None: unknown."""
        here = self._seen.get(turns, 0)
        if here < ENOUGH:
            return None
        furthest = turns
        while 2 * self._seen.get(furthest + 1, 0) >= here:
            furthest += 1
        return furthest - turns + 1
