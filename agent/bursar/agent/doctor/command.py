"""`bursar doctor`: does everything here fit together, and if not, what is to be done?"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime

import click

from bursar.agent.commands import tables
from bursar.agent.commands.howfar import progress
from bursar.agent.commands.options import NO, answer, json_option
from bursar.agent.doctor import agent, files, installation, prices, telemetry
from bursar.agent.doctor.finding import Check, Finding, Surroundings, well
from bursar.agent.settings import read_settings

_CHECKS: Sequence[Check] = (
    installation.python,
    installation.sdk,
    installation.bursar,
    installation.extras,
    agent.agent,
    agent.clock,
    files.state_folder,
    files.journals,
    files.ledger,
    prices.prices,
    telemetry.others,
    telemetry.traces,
    telemetry.variables,
    telemetry.forwards,
)


@click.command("doctor")
@json_option
def doctor_command(as_json: bool) -> None:
    """Does everything here fit together? Exit code 1 where something fails."""
    with progress("looking around"):
        findings = examine(Surroundings(read_settings(os.environ), os.environ, datetime.now(UTC)))
    fine = well(findings)
    if as_json:
        answer({"ok": fine, "findings": [asdict(finding) for finding in findings]})
    else:
        answer(tables.findings([asdict(finding) for finding in findings]))
    sys.exit(0 if fine else NO)


def examine(around: Surroundings) -> list[Finding]:
    """Every check, in an order in which the first trouble explains the ones after it."""
    return [finding for check in _CHECKS for finding in check(around)]
