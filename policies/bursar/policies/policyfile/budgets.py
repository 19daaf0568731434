"""Which budget does a [[budget]] table write down?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, get_args

from bursar.policies.amounts import AmountError, Limit, parse_duration, parse_usd
from bursar.policies.policy import Budget, Mode, Unbounded, Unreachable, Watched
from bursar.policies.policyfile.fields import Fields
from bursar.policies.policyfile.keylines import Path
from bursar.policies.policyfile.mistakes import Mistakes, did_you_mean
from bursar.policies.policyfile.steps import Surroundings, read_steps
from bursar.policies.policyfile.turns import read_begins, read_budget_timezone, read_windows

BUDGET_KEYS = (
    "name",
    "match",
    "per",
    "limit",
    "every",
    "limits",
    "begins",
    "timezone",
    "overdraft",
    "fit",
    "patience",
    "unbounded",
    "mode",
    "on_unreachable",
    "watch",
    "at",
)

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_LABEL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_DEFAULT_UNBOUNDED = Unbounded("reserve", 500_000_000)


def read_budgets(table: Mapping[str, Any], path: Path, mistakes: Mistakes, around: Surroundings) -> tuple[Budget, ...]:
    """
    The budgets of one table, one for each of its windows.

    What is missing or wrong is noted and stands in for itself by a default.
    """
    fields = Fields(table, path, mistakes, BUDGET_KEYS)
    at = fields.table("at", '[budget.at] with steps such as "100%" = "block"')
    name, windows = read_name(fields, "support-day"), read_windows(fields)
    every, limit = windows[0][1:] if windows else ("day", Limit("usd", 0))
    kinds = tuple(kind for _, kind, _ in windows)
    first = Budget(
        name=name,
        match=_match(fields),
        per=_per(fields),
        limit=limit,
        every=every,
        begins=read_begins(fields, kinds),
        timezone=read_budget_timezone(fields, kinds),
        overdraft_nano=fields.parsed("overdraft", parse_usd, 0, 'overdraft = "5 USD"'),
        fit=fields.word("fit", ("trim", "asked"), "trim"),
        patience_seconds=fields.parsed("patience", parse_duration, 2.0, 'patience = "2s"'),
        unbounded=fields.parsed("unbounded", _parse_unbounded, _DEFAULT_UNBOUNDED, 'unbounded = "reserve 0.50 USD"'),
        steps=read_steps(at, (*path, "at"), mistakes, around),
        mode=fields.word("mode", tuple(Mode), Mode.OBSERVE) if fields.has("mode") else None,
        on_unreachable=read_unreachable(fields) if fields.has("on_unreachable") else None,
    )
    budgets = tuple(
        replace(budget, watch=_watch(budget, fields))
        for added, every, limit in windows
        for budget in (replace(first, name=name + added, every=every, limit=limit),)
    )
    _note_foreign_money(budgets, fields)
    return budgets


def read_name(fields: Fields, example: str) -> str:
    """The name of a budget or channel: lower-case, and safe in every balance key, URL and span."""
    name = fields.text("name", f'name = "{example}"', required=True)
    if name is not None and not _NAME.fullmatch(name):
        fields.wrong(
            "name",
            f'"{name}" cannot be a name',
            f'use lower-case letters, digits, ".", "_" and "-", beginning with a letter or digit, as in "{example}"',
        )
    return name or ""


def read_unreachable(fields: Fields) -> Unreachable:
    """What happens while the agent is away."""
    return fields.parsed("on_unreachable", _parse_unreachable, Unreachable("open"), 'on_unreachable = "limited 1 USD"')


def _parse_unreachable(text: str) -> Unreachable:
    match text.split(maxsplit=1):
        case ["open"]:
            return Unreachable("open")
        case ["closed"]:
            return Unreachable("closed")
        case ["limited", amount]:
            return Unreachable("limited", parse_usd(amount))
        case ["limited"]:
            raise AmountError('"limited" names no amount', 'write on_unreachable = "limited 1 USD"')
        case _:
            hint = did_you_mean(text, ("open", "closed", "limited"))
            raise AmountError(f'"{text}" is none of its values', f'{hint}write "open", "closed" or "limited 1 USD"')


def _parse_unbounded(text: str) -> Unbounded:
    match text.split(maxsplit=1):
        case ["refuse"]:
            return Unbounded("refuse")
        case ["overdraft"]:
            return Unbounded("overdraft")
        case ["reserve", amount]:
            return Unbounded("reserve", parse_usd(amount))
        case ["reserve"]:
            raise AmountError('"reserve" names no amount', 'write unbounded = "reserve 0.50 USD"')
        case _:
            hint = did_you_mean(text, ("reserve", "refuse", "overdraft"))
            raise AmountError(
                f'"{text}" is none of its values', f'{hint}write "reserve 0.50 USD", "refuse" or "overdraft"'
            )


WATCHED: tuple[Watched, ...] = get_args(Watched)
_LONG_WINDOWS = ("day", "week", "month")


def _watch(budget: Budget, fields: Fields) -> tuple[Watched, ...]:
    """
    All of it where a step alerts somebody, unless the file says otherwise; an empty list watches nothing.

    Windows shorter than a day are over before a trend means anything, and those without a calendar have no season.
    """
    long = budget.every in _LONG_WINDOWS
    if not fields.has("watch"):
        return WATCHED if budget.channels and long else ()
    written = fields.texts("watch", 'watch = ["burn", "forecast", "creep"]')
    for word in written:
        if word not in WATCHED:
            remedy = f"{did_you_mean(word, WATCHED)}the words are {', '.join(WATCHED)}; [] watches nothing"
            fields.wrong("watch", f'"{word}" is nothing that can be watched', remedy)
    if written and not long:
        remedy = f"take it out, or use every = {' or '.join(map(repr, _LONG_WINDOWS))}".replace("'", '"')
        fields.wrong("watch", f'a budget of every = "{budget.every}" has no trend to watch', remedy)
    elif written and not budget.channels:
        fields.wrong("watch", "nobody would hear of it", 'add a step that tells somebody, as in "80%" = "alert log"')
    return tuple(word for word in WATCHED if word in written)


def _match(fields: Fields) -> dict[str, str]:
    globs: dict[str, str] = {}
    for name, glob in fields.table("match", 'match = { route = "support.*" }').items():
        if not isinstance(glob, str):
            fields.wrong("match", f'"{name}" is matched against a text', f'write match = {{ {name} = "prod" }}')
        elif _is_label(name, "match", fields):
            globs[name] = glob
    return globs


def _per(fields: Fields) -> tuple[str, ...]:
    return tuple(name for name in fields.texts("per", 'per = ["tenant"]') if _is_label(name, "per", fields))


def _is_label(name: str, key: str, fields: Fields) -> bool:
    if _LABEL.fullmatch(name):
        return True
    fields.wrong(key, f'"{name}" cannot be a label\'s name', 'use letters, digits, "_", "." and "-", as in "tenant"')
    return False


def _note_foreign_money(budgets: tuple[Budget, ...], fields: Fields) -> None:
    """Amounts of money in a budget of tokens or calls, which has no use for them."""
    units = " and ".join(sorted({budget.limit.unit for budget in budgets} - {"usd"}))
    if units and fields.has("overdraft"):
        fields.wrong("overdraft", f"an overdraft is money, but the limit is in {units}", "take it out")
    in_money = any(budget.limit.unit == "usd" for budget in budgets)
    if units and not in_money and fields.has("unbounded") and budgets[0].unbounded.kind == "reserve":
        remedy = 'take it out, or write unbounded = "refuse"'
        fields.wrong("unbounded", f"what is reserved is money, but the limit is in {units}", remedy)
