"""What does a policy file do, and what is wrong with it?"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import click
from rich.text import Text

from bursar.agent.commands import tables
from bursar.agent.commands.howfar import progress
from bursar.agent.commands.options import NO, answer, console, db_option, file_type, json_option, settings_of
from bursar.agent.commands.pricing import load_book
from bursar.agent.ledger import evalbook, open_for_reading, overridebook
from bursar.agent.ledger.prospect import Prospect, prospects
from bursar.policies.licence import Licences, licences, objection
from bursar.policies.policy import Policy
from bursar.policies.policyfile import parse_policy
from bursar.policies.policyfile.describe import describe
from bursar.policies.policyfile.difference import difference
from bursar.policies.policyfile.mistakes import Mistake, PolicyError
from bursar.policies.prices import PriceBook


@dataclass(frozen=True, slots=True)
class Checked:
    """A policy file, judged. With mistakes there is no description."""

    file: str
    mistakes: tuple[Mistake, ...] = ()
    warnings: tuple[str, ...] = ()
    """What is understood and not acted on in this release, and models without a price."""
    description: tuple[str, ...] = ()
    """Sentences; those that begin with two spaces belong to the one before them."""
    difference: tuple[str, ...] | None = None
    """What would change of the rules in force; None where no ledger says which these are."""
    prospects: tuple[Prospect, ...] = ()
    """Where its balances would stand now."""
    licences: tuple[str, ...] = ()
    """Which of its routes' models an eval vouches for, where the policy asks for one."""

    def to_json(self) -> dict[str, Any]:
        """Ready for JSON; `ok` says whether the file can be put in force."""
        return {"ok": not self.mistakes, **asdict(self)}


def check_policy(path: Path, book: PriceBook, *, db: Path | None = None, now_ns: int = 0) -> Checked:
    """
    Judge a file by the models of a price book, and hold it against the ledger `db` if there is one.

    Raises OSError where it cannot be read, and `LedgerError` for a ledger that cannot.
    """
    known = frozenset(name for model in book.models for name in (model.id, *model.aliases))
    try:
        policy = parse_policy(path.read_text(encoding="utf-8"), file=str(path), known_models=known)
    except PolicyError as error:
        return Checked(str(path), mistakes=error.mistakes)
    except UnicodeDecodeError as error:
        return Checked(str(path), (Mistake("", None, f"the file is no UTF-8 text ({error})", "save it as UTF-8"),))
    checked = Checked(str(path), warnings=policy.warnings, description=tuple(describe(policy)))
    return checked if db is None or not db.exists() else _held_against(checked, policy, db, now_ns)


def _held_against(checked: Checked, policy: Policy, db: Path, now_ns: int) -> Checked:
    with open_for_reading(db) as ledger:
        snapshot = overridebook.latest_rules(ledger)
        found = tuple(prospects(ledger, policy, now_ns))
        checked = replace(checked, licences=tuple(_licences(policy, licences(evalbook.licences(ledger)), now_ns)))
    if snapshot is None or snapshot.policy is None:
        return replace(checked, prospects=found)
    changes = difference(parse_policy(snapshot.policy, file=snapshot.file), policy)
    return replace(checked, difference=tuple(changes), prospects=found)


def _licences(policy: Policy, known: Licences, now_ns: int) -> Iterator[str]:
    """A sentence for each model below the first of a route's ladder that a step may move its calls to, or may not."""
    for route in policy.routes:
        if not policy.requires_eval_for(route.name):
            continue
        for model in policy.ladder_for(route.name)[1:]:
            why = objection(known, route=route.name, model=model, at_ns=now_ns)
            if why is None:
                yield f'Calls of "{route.name}" may be moved to {model}: its eval passed.'
            else:
                yield (
                    f'Calls of "{route.name}" stay off {model} ({why}): '
                    f"run `bursar eval --route {route.name} --candidate {model}`."
                )


@click.command("check")
@click.argument("policy", type=file_type)
@db_option
@json_option
def check_command(policy: Path, db: Path | None, as_json: bool) -> None:
    """What does a policy file do, what would it change, and whom would it refuse now? Exit code 1 for mistakes."""
    settings = settings_of(db)
    with progress("holding it against the ledger"):
        checked = check_policy(policy, load_book(settings.prices), db=settings.db, now_ns=time.time_ns())
    if as_json:
        answer(checked.to_json())
    elif checked.mistakes:
        answer(tables.mistakes(checked.file, checked.mistakes, width=console().width))
    else:
        answer(
            *map(Text, (*checked.description, *checked.licences)),
            *(Text(f"warning: {warning}") for warning in checked.warnings),
        )
        answer(*tables.changes(checked.difference), *tables.prospects(checked.prospects, width=console().width))
    sys.exit(NO if checked.mistakes else 0)
