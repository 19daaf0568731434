"""
Why did a week cost more or less than the one before: more calls, other models, longer ones, the cache, or prices?

What a week costs is written as calls × Σ over models of (share of the calls) × (tokens a call) × (how the prompt
divides between plain input, cache reads and cache writes) × (what a token of that class did cost). Going from the old
week to the new one, one factor after the other is replaced, always in the same order:

    volume   the number of calls
    mix      the models' shares of the calls
    size     tokens a call, prompt and output apart, and fees a call
    cache    how the prompt divides between input, reads and writes
    price    what a token of each class did cost: price rows, batch, fast mode, places

The effect of a cause is what the cost changes by at its turn, so all of them together are the whole difference, to the
nano-dollar. Another order would share it out otherwise: what changes together has no own part. A model that only one
of the weeks knows has that week's size, cache and prices in both, so that it is all a matter of the mix.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction

PROMPT = ("input", "cache_read", "cache_write_5m", "cache_write_1h")
CAUSES = ("volume", "mix", "size", "cache", "price")

Cell = tuple[int, int]
"""Tokens (or searches, or charges of which only the sum is known) and what they cost, in nano-dollars."""


@dataclass(frozen=True, slots=True)
class ModelUse:
    """What one model was used for in a week."""

    calls: int
    cells: Mapping[str, Cell] = field(default_factory=dict[str, Cell])
    """By class: those of `PROMPT`, and `output`, `web_search`, `other`."""

    @property
    def cost(self) -> int:
        """In nano-dollars."""
        return sum(nano for _, nano in self.cells.values())


Week = Mapping[str, ModelUse]
"""By model."""


@dataclass(frozen=True, slots=True)
class _Factors:
    """A model's factors, exact."""

    share: Fraction
    sizes: Mapping[str, Fraction]
    """A call: tokens of the prompt under `prompt`, and every class beside it under its name."""
    parts: Mapping[str, Fraction]
    """Of the prompt's tokens, by class."""
    prices: Mapping[str, Fraction]
    """Nano-dollars a token, by class; a class of which nothing was used has none."""


def change_by_cause(old: Week, new: Week) -> dict[str, int]:
    """The difference between two weeks by `CAUSES`, in nano-dollars; the parts add up to it exactly."""
    before, after = _cost(old), _cost(new)
    calls_before, calls_after = _calls(old), _calls(new)
    if not calls_before or not calls_after:
        return {**dict.fromkeys(CAUSES, 0), "volume": after - before}
    values = [before, *(round(value) for value in _turns(list(_pairs(old, new)), calls_after)), after]
    return {cause: values[place + 1] - values[place] for place, cause in enumerate(CAUSES)}


def _turns(pairs: list[tuple[_Factors, _Factors]], calls_after: int) -> list[Fraction]:
    """What it would cost after volume, after mix, after size and after cache; after price it is the new week."""
    olds = [old for old, _ in pairs]
    mixed = [_Factors(new.share, old.sizes, old.parts, old.prices) for old, new in pairs]
    sized = [_Factors(new.share, new.sizes, old.parts, old.prices) for old, new in pairs]
    cached = [_Factors(new.share, new.sizes, new.parts, old.prices) for old, new in pairs]
    return [calls_after * _a_call(factors) for factors in (olds, mixed, sized, cached)]


def _a_call(models: Iterable[_Factors]) -> Fraction:
    return sum((model.share * _of_model(model) for model in models), Fraction(0))


def _of_model(model: _Factors) -> Fraction:
    none = Fraction(0)
    prompt = sum((part * model.prices.get(name, none) for name, part in model.parts.items()), none)
    rest = (size * model.prices.get(name, none) for name, size in model.sizes.items() if name != "prompt")
    return model.sizes.get("prompt", none) * prompt + sum(rest, none)


def _factors(use: ModelUse | None, calls: int) -> _Factors | None:
    if use is None or not use.calls:
        return None
    prompt = sum(count for name, (count, _) in use.cells.items() if name in PROMPT)
    sizes = {name: Fraction(count, use.calls) for name, (count, _) in use.cells.items() if name not in PROMPT}
    return _Factors(
        share=Fraction(use.calls, calls),
        sizes={**sizes, "prompt": Fraction(prompt, use.calls)},
        parts={name: Fraction(use.cells[name][0], prompt) for name in PROMPT if name in use.cells} if prompt else {},
        prices={name: Fraction(nano, count) for name, (count, nano) in use.cells.items() if count},
    )


def _pairs(old: Week, new: Week) -> Iterator[tuple[_Factors, _Factors]]:
    """Each model in the old week and in the new one."""
    for name in {**old, **new}:
        one, other = _factors(old.get(name), _calls(old)), _factors(new.get(name), _calls(new))
        if one is not None and other is not None:
            yield _completed(one, other), _completed(other, one)
        elif one is not None:
            yield one, replace(one, share=Fraction(0))
        elif other is not None:
            yield replace(other, share=Fraction(0)), other


def _completed(own: _Factors, other: _Factors) -> _Factors:
    """With the other week's where it has nothing of its own: what was never used has no price."""
    return _Factors(own.share, own.sizes, own.parts or other.parts, {**other.prices, **own.prices})


def _calls(week: Week) -> int:
    return sum(use.calls for use in week.values())


def _cost(week: Week) -> int:
    return sum(use.cost for use in week.values())
