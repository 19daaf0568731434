"""What would the best cache marks save, as far as fingerprints tell, on the models that routes are moved to?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import NamedTuple

from bursar.agent.advice.caching.cacheadvice import WORTH_IT
from bursar.agent.advice.caching.promptcache import Refresh
from bursar.agent.advice.caching.replay import UNIT, Tally
from bursar.agent.advice.caching.study import Source, Study, studied
from bursar.agent.ledger.printbook import Prompt
from bursar.policies.othermodel import SAME, scaled, tokenizer_factor

Kept = tuple[str, str]
"""A route, and the model that its calls were made to."""
_BETWEEN = "\0"


class Marked(NamedTuple):
    """What the best marks would make of the calls that fingerprints tell of."""

    calls: int
    nano: int
    """What they save over the whole period, against the marks that stand; nano-dollars."""
    read: Fraction
    """Shares of prompt tokens, as they then are."""
    write_5m: Fraction
    write_1h: Fraction
    why: str
    """Why nothing is saved; empty where something is."""


Marking = Callable[[Mapping[Kept, str]], Mapping[Kept, Marked]]
"""From the models that routes are moved to, to what marks save there."""


def marked(source: Source, moved: Mapping[Kept, str]) -> dict[Kept, Marked]:
    """
    For each route and model: the search over its prompts, by the prices and the minimum of the model it is moved to.

    `moved` names that; what it does not name stays. Tokens are scaled between tokenizers. Calls of several models that
    meet on one are judged apart, as if they shared nothing.
    """
    there = replace(source, prompts=lambda: _moved(source, moved))
    found: dict[Kept, Marked] = {}
    for study in studied(there):
        route, _, model = study.group.route.rpartition(_BETWEEN)
        found[route, model] = _best(study)
    return found


def _moved(source: Source, moved: Mapping[Kept, str]) -> Iterator[Prompt]:
    factors: dict[Kept, Fraction] = {}
    for prompt in source.prompts():
        key = prompt.route, prompt.model
        to = moved.get(key, prompt.model)
        if key not in factors:
            factors[key] = tokenizer_factor(prompt.model, to, source.book)
        usage = prompt.usage if factors[key] == SAME else scaled(prompt.usage, factors[key])
        yield prompt._replace(route=f"{prompt.route}{_BETWEEN}{prompt.model}", model=to, usage=usage)


def _best(study: Study) -> Marked:
    """As `cacheadvice` judges it: what saves hardly anything is no reason to change the marks."""
    present, best = study.present[Refresh.MARKED], study.best()
    tally = study.plain if best is None else study.tallies[best, Refresh.MARKED]
    saved = present.total - tally.total
    if saved <= 0 or saved < WORTH_IT * present.total:
        why = "no marks would save anything" if not study.survey.marks else "the marks that stand are as good as any"
        return _made(study, present, 0, why)
    return _made(study, tally, round(Fraction(saved, UNIT)), "")


def _made(study: Study, tally: Tally, nano: int, why: str) -> Marked:
    read, write_5m, write_1h = (
        Fraction(part, max(tally.tokens, 1)) for part in (tally.read, tally.write_5m, tally.write_1h)
    )
    return Marked(study.survey.calls, nano, read, write_5m, write_1h, why)
