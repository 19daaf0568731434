"""What does a call cost on the reference and on the candidate, like for like?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import date
from fractions import Fraction

from bursar.policies.book import PriceBook
from bursar.policies.prices import price
from bursar.policies.usage import Part, Usage, UsageReport

_CACHED = ("cache_read", "cache_write_5m", "cache_write_1h")


@dataclass(frozen=True, slots=True)
class Side:
    """The mean call of one side, at the ordinary prices of the day: money in nano-dollars, and tokens by class."""

    calls: int
    nano: Fraction
    usage: dict[str, Fraction]


def sides(found: Iterable[tuple[Usage, str, Usage, str]], book: PriceBook, at: date) -> tuple[Side, Side] | None:
    """
    Reference and candidate, over the calls of which both costs are known: usage and model of each, in this order.

    None where there is no such call.
    """
    costs: list[tuple[int, int]] = []
    here: list[Usage] = []
    there: list[Usage] = []
    for usage, model, other, other_model in found:
        one, two = _cost(usage, model, book, at), _cost(other, other_model, book, at)
        if one is not None and two is not None:
            costs.append((one, two))
            here.append(usage)
            there.append(other)
    if not costs:
        return None
    firsts, seconds = zip(*costs, strict=True)
    return _side(firsts, here), _side(seconds, there)


def cached_alike(usage: Usage, like: Usage, *, caches: bool) -> Usage:
    """
    A candidate's usage with its prompt as warm as the reference's call was.

    The run itself finds every cache cold, or warm by chance: neither is what the candidate would cost day by day. Where
    its model does not cache a prompt as short, all of it is plain input.
    """
    prompt = usage.prompt
    counts = {name: getattr(usage, name) for name in (field.name for field in fields(Usage))}
    counts.update(dict.fromkeys(_CACHED, 0), input=prompt)
    if caches and like.prompt:
        for name in _CACHED:
            counts[name] = prompt * getattr(like, name) // like.prompt
            counts["input"] -= counts[name]
    return Usage(**counts)


def _cost(usage: Usage, model: str, book: PriceBook, at: date) -> int | None:
    return price(UsageReport(usage, (Part(usage),)), model=model, at=at, book=book).cost_nano_usd


def _side(costs: Iterable[int], usages: list[Usage]) -> Side:
    count = len(usages)
    names = ("input", *_CACHED, "output")
    means = {name: Fraction(sum(getattr(usage, name) for usage in usages), count) for name in names}
    return Side(count, Fraction(sum(costs), count), means)
