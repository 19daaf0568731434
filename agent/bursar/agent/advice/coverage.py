"""How much of what is spent has a route of its own, labels and an exact figure, and what to do about the rest?"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from fractions import Fraction

from bursar.agent.advice.recommendation import Kind, Recommendation
from bursar.agent.advice.wording import amount
from bursar.agent.ledger.pastattempts import PastAttempt

UNNAMED = "unnamed"
"""The route of a call whose every caller is a framework."""
SHOWN = 5
"""So many of the largest callers without a route are written out."""
_CALLER = re.compile(r"[\w.]+:[\w.<>]+")


class Coverage:
    """Sums over attempts; nano-dollars."""

    def __init__(self, named: Collection[str]) -> None:
        """`named`: routes of the policy, which are nobody's default whatever they look like."""
        self._named = frozenset(named)
        self._callers: dict[str, int] = {}
        self._total = self._routed = self._labelled = self._exact = 0
        self._unknown = self._attempts = 0

    def add(self, one: PastAttempt) -> None:
        """Count one attempt."""
        self._attempts += 1
        if one.cost_nano is None:
            self._unknown += 1
            return
        cost = one.cost_nano
        self._total += cost
        if is_default(one.route) and one.route not in self._named:
            self._callers[one.route] = self._callers.get(one.route, 0) + cost
        else:
            self._routed += cost
        self._labelled += cost if one.labels != "{}" else 0
        self._exact += cost if one.basis == "usage" else 0

    def recommendations(self, days: Fraction) -> Iterator[Recommendation]:
        """What is missing, of routes, of labels and of exact figures; nothing where nothing was spent."""
        if self._total and self._routed < self._total:
            yield self._routes(days)
        if self._total and self._labelled < self._total:
            yield self._labels()
        if self._attempts and (self._exact < self._total or self._unknown):
            yield self._basis()

    def _routes(self, days: Fraction) -> Recommendation:
        largest = sorted(self._callers.items(), key=lambda entry: (-entry[1], entry[0]))[:SHOWN]
        told = ", ".join(f"{caller} ({amount(round(Fraction(nano) / days))} USD a day)" for caller, nano in largest)
        return Recommendation(
            kind=Kind.COVERAGE,
            route="",
            model="",
            place="routes",
            text=(
                f"{_percent(self._routed, self._total)} of what was spent has a route of its own. The rest goes by "
                f"the code that calls: {told}. Name them, in the policy or by `with route(...)`: budgets, steps and "
                "advice then go by names that outlive a refactoring."
            ),
            evidence={
                "share": float(Fraction(self._routed, self._total)),
                "nano_usd": self._total,
                "routed_nano_usd": self._routed,
                "callers": [{"code": caller, "nano_usd": nano} for caller, nano in largest],
            },
            snippet="\n\n".join(route_toml(caller) for caller, _ in largest if caller != UNNAMED)
            or 'with route("a.name"):',
        )

    def _labels(self) -> Recommendation:
        return Recommendation(
            kind=Kind.COVERAGE,
            route="",
            model="",
            place="labels",
            text=(
                f"{_percent(self._labelled, self._total)} of what was spent has labels. Without them nobody can say "
                "whom it was spent for, and no budget can be split by tenant or team."
            ),
            evidence={
                "share": float(Fraction(self._labelled, self._total)),
                "nano_usd": self._total,
                "labelled_nano_usd": self._labelled,
            },
            snippet='with route("a.name", tenant=tenant, team="support"):',
        )

    def _basis(self) -> Recommendation:
        unknown = f" Of {self._unknown:,} attempts nobody knows the cost; they are in no sum." if self._unknown else ""
        share = f"{_percent(self._exact, self._total)} of what was spent is" if self._total else "Nothing is"
        return Recommendation(
            kind=Kind.COVERAGE,
            route="",
            model="",
            place="basis",
            text=(
                f"{share} counted by the API's own figures; the rest is bounds, or what somebody's spans tell."
                f"{unknown} Let the process that calls be instrumented by Bursar, give unknown models a price, and "
                "close clients in order: `bursar report --by basis` shows where it is."
            ),
            evidence={
                "share": float(Fraction(self._exact, self._total)) if self._total else None,
                "nano_usd": self._total,
                "exact_nano_usd": self._exact,
                "unknown_charges": self._unknown,
                "attempts": self._attempts,
            },
        )


def is_default(route: str) -> bool:
    """Whether a route looks like the `module:function` of a caller that nobody named."""
    return route in (UNNAMED, "") or _CALLER.fullmatch(route) is not None


def route_toml(route: str, *more: str) -> str:
    """The lines of a policy that name a route: of a caller, by its code."""
    name = route.replace(":", ".").replace("<", "").replace(">", "") if is_default(route) else route
    find = [f"find = {{ code = {json.dumps(route)} }}"] if is_default(route) else []
    return "\n".join(("[[route]]", f"name = {json.dumps(name, ensure_ascii=False)}", *find, *more))


def _percent(part: int, whole: int) -> str:
    """Rounded down to a tenth, so that what is missing is never called whole."""
    return f"{part * 1000 // whole / 10:g}%"
