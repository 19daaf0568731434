"""Which budget does a [[budget]] table write down?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, get_args

from bursar.policies.amounts import AmountError, Limit, parse_duration, parse_limit, parse_usd
from bursar.policies.policy import Budget, Mode, Step, Unbounded, Unreachable, Watched
from bursar.policies.policyfile.fields import Fields
from bursar.policies.policyfile.keylines import Path
from bursar.policies.policyfile.mistakes import Mistakes, did_you_mean
from bursar.policies.policyfile.steps import Surroundings, read_steps
from bursar.policies.windows import CALENDAR_WINDOWS

BUDGET_KEYS = (
    "name",
    "match",
    "per",
    "limit",
    "every",
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


def read_budget(table: Mapping[str, Any], path: Path, mistakes: Mistakes, around: Surroundings) -> Budget:
    """One budget; what is missing or wrong is noted and stands in for itself by a default."""
    fields = Fields(table, path, mistakes, BUDGET_KEYS)
    at = fields.table("at", '[budget.at] with steps such as "100%" = "block"')
    budget = Budget(
        name=read_name(fields, "support-day"),
        match=_match(fields),
        per=_per(fields),
        limit=fields.parsed("limit", parse_limit, Limit("usd", 0), 'limit = "50 USD"', required=True),
        every=fields.parsed("every", _parse_every, "day", 'every = "day"', required=True),
        overdraft_nano=fields.parsed("overdraft", parse_usd, 0, 'overdraft = "5 USD"'),
        fit=fields.word("fit", ("trim", "asked"), "trim"),
        patience_seconds=fields.parsed("patience", parse_duration, 2.0, 'patience = "2s"'),
        unbounded=fields.parsed("unbounded", _parse_unbounded, _DEFAULT_UNBOUNDED, 'unbounded = "reserve 0.50 USD"'),
        steps=read_steps(at, (*path, "at"), mistakes, around),
        mode=fields.word("mode", tuple(Mode), Mode.OBSERVE) if fields.has("mode") else None,
        on_unreachable=read_unreachable(fields) if fields.has("on_unreachable") else None,
    )
    _note_unenforceable(budget, fields)
    return replace(budget, watch=_watch(budget, fields))


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


def _parse_every(text: str) -> str:
    kind, _, span = text.partition(" ")
    if text in (*CALENDAR_WINDOWS, "conversation", "run"):
        return text
    if kind == "rolling" and parse_duration(span) > 0:
        return text
    words = (*CALENDAR_WINDOWS, "rolling 24h", "conversation", "run")
    raise AmountError(f'"{text}" is no window', f"{did_you_mean(text, words)}the windows are {', '.join(words)}")


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


def _note_unenforceable(budget: Budget, fields: Fields) -> None:
    """A budget that is written to hold, and would not: worse than none, since somebody relies on it."""
    _note_velocity_block(budget.steps, fields)
    if budget.limit.unit != "usd" and budget.overdraft_nano:
        fields.wrong("overdraft", f"an overdraft is money, but the limit is in {budget.limit.unit}", "take it out")
    if not any(step.does("block") for step in budget.steps):
        return
    if budget.every not in CALENDAR_WINDOWS:
        fields.wrong(
            "every",
            f'every = "{budget.every}" with a "block" step cannot be enforced in this release',
            'use every = "day" (or hour, week, month), or take the "block" step out',
        )
    if budget.limit.unit != "usd":
        fields.wrong(
            "limit",
            f'a limit in {budget.limit.unit} with a "block" step cannot be enforced in this release',
            'use an amount of money such as limit = "50 USD", or take the "block" step out',
        )


def _note_velocity_block(steps: tuple[Step, ...], fields: Fields) -> None:
    for step in steps:
        if step.velocity is not None and step.does("block"):
            fields.mistakes.add(
                (*fields.path, "at", step.label),
                "a block at an amount in a span cannot be enforced in this release",
                'use a share such as "100%" = "block", or "alert log" here',
            )
