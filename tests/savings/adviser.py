"""What does Bursar advise on a ledger, and what does it say that saves?"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from sqlite_utils import Database
from tests.savings.books import SECOND
from tests.savings.proof import Advice
from tests.savings.stage import EPOCH
from tests.savings.workload import Workload

from bursar.agent.advice.caching.promptcache import Refresh as Reading
from bursar.agent.advice.gathering import gathered
from bursar.agent.advice.recommendation import Kind
from bursar.agent.sandbox import Refresh
from bursar.policies.cachemarks import Mark
from bursar.policies.prices import shipped_book

DAY_NS = 86_400 * SECOND
_READINGS = {Refresh.ALL: Reading.MARKED, Refresh.HIGHEST: Reading.HIGHEST}


def advised(db: Database, day: Workload, refresh: Refresh) -> Mapping[str, Advice]:
    """The marks advised for each model, with their saving over the whole time under one reading of the rule."""
    first, last = (EPOCH * SECOND + round(day.asks[place].at * SECOND) for place in (0, -1))
    until_ns = last + 1
    days = max(Fraction(until_ns - first, DAY_NS), Fraction(1))
    found: dict[str, Advice] = {}
    for one in gathered(db, shipped_book(), EPOCH * SECOND, until_ns):
        if one.kind is Kind.CUT and one.advised:
            a_day = one.under[_READINGS[refresh].value].mid
            assert a_day is not None
            marks = tuple(Mark(told["place"], told["ttl"]) for told in one.evidence["marks"])
            found[one.model] = Advice(marks, round(a_day * days))
    return found
