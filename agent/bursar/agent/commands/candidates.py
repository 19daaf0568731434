"""What may stand in this place of a command, for a shell that completes it? Quick, and silent where nobody knows."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import click

from bursar.agent.commands.pricing import load_book
from bursar.agent.ledger import LedgerError, glance, open_for_reading, overridebook, reports
from bursar.agent.settings import SettingsError, read_settings
from bursar.policies.policyfile import parse_policy
from bursar.policies.policyfile.mistakes import PolicyError
from bursar.policies.prices import PriceBookError


def routes(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Those that the ledger has charges of."""
    found: list[str] = []
    with suppress(LedgerError, SettingsError), open_for_reading(_ledger(context)) as db:
        found = glance.known_routes(db)
    return _beginning(found, incomplete)


def budgets(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Those of the rules that a process was told last."""
    found: list[str] = []
    with suppress(LedgerError, SettingsError, PolicyError), open_for_reading(_ledger(context)) as db:
        rules = overridebook.latest_rules(db)
        if rules is not None and rules.policy is not None:
            found = [budget.name for budget in parse_policy(rules.policy, file=rules.file).budgets]
    return _beginning(found, incomplete)


def models(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """Those of the price book, the user's own included."""
    found: list[str] = []
    with suppress(PriceBookError, SettingsError):
        found = [model.id for model in load_book(read_settings(os.environ).prices).models]
    return _beginning(found, incomplete)


def keys(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """What a report can be grouped by: the last one of a list, each once."""
    before, comma, last = incomplete.rpartition(",")
    taken = before.split(",")
    left = [key for key in (*reports.KEYS, "label:") if key not in taken]
    return [f"{before}{comma}{key}" for key in _beginning(left, last)]


def _ledger(context: click.Context) -> Path:
    named = context.params.get("db")
    return read_settings(os.environ, db=named if isinstance(named, Path) else None).db


def _beginning(found: Iterable[str], incomplete: str) -> list[str]:
    return sorted(name for name in found if name.startswith(incomplete))
