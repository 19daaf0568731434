"""What can be asked of `bursar` on the command line?"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from bursar.agent.bill.access import BillError
from bursar.agent.commands.completion import learn
from bursar.agent.commands.options import CANNOT_START, NO, USAGE, end
from bursar.agent.commands.private_agent import PrivateAgentError
from bursar.agent.commands.program import ProgramError
from bursar.agent.commands.reach import RefusedError, TurnedAwayError, UnreachableError
from bursar.agent.commands.run import RunError
from bursar.agent.commands.span_of_time import SpanError
from bursar.agent.commands.usage_text import UsageTextError
from bursar.agent.ledger import LedgerError
from bursar.agent.ledger.reports import ReportError
from bursar.agent.settings import SettingsError
from bursar.policies.amounts import AmountError
from bursar.policies.policyfile.mistakes import PolicyError
from bursar.policies.prices import PriceBookError

_LATER = {
    "advise": "bursar.agent.advice.command:advise_command",
    "agent": "bursar.agent.commands.daemon:agent_command",
    "alert": "bursar.agent.alerting.command:alert_group",
    "alerts": "bursar.agent.alerting.command:alerts_command",
    "batches": "bursar.agent.commands.batches:batches_command",
    "budgets": "bursar.agent.commands.standing:budgets_command",
    "cascades": "bursar.agent.commands.cascades:cascades_command",
    "check": "bursar.agent.commands.check:check_command",
    "completion": "bursar.agent.commands.completion:completion_command",
    "dashboard": "bursar.agent.commands.dashboard:dashboard_command",
    "db": "bursar.agent.commands.database:db_command",
    "deferrals": "bursar.agent.commands.deferrals:deferrals_command",
    "demo": "bursar.agent.demo.command:demo_command",
    "digest": "bursar.agent.alerting.command:digest_command",
    "doctor": "bursar.agent.doctor.command:doctor_command",
    "eval": "bursar.agent.evals.command:eval_command",
    "explain": "bursar.agent.commands.explain:explain_command",
    "export": "bursar.agent.bill.export:export_command",
    "forwards": "bursar.agent.forward.command:forwards_command",
    "holds": "bursar.agent.commands.standing:holds_command",
    "overrides": "bursar.agent.commands.overriding:overrides_command",
    "pause": "bursar.agent.commands.overriding:pause_command",
    "price": "bursar.agent.commands.quoting:price_command",
    "prices": "bursar.agent.commands.prices:prices_command",
    "raise": "bursar.agent.commands.overriding:raise_command",
    "reconcile": "bursar.agent.bill.reconcile:reconcile_command",
    "report": "bursar.agent.commands.spending:report_command",
    "reprice": "bursar.agent.commands.reprice:reprice_command",
    "resume": "bursar.agent.commands.overriding:resume_command",
    "routes": "bursar.agent.commands.spending:routes_command",
    "run": "bursar.agent.commands.run:run_command",
    "sandbox": "bursar.agent.commands.rehearsal:sandbox_command",
    "simulate": "bursar.agent.whatif.command:simulate_command",
    "top": "bursar.agent.top.command:top_command",
}
"""Where each command stands; it is loaded when it is called for."""

_WRONG_USAGE = (AmountError, PolicyError, PriceBookError, ReportError, RunError, SpanError, UsageTextError)
_STOPPED_AT_START = (BillError, LedgerError, PrivateAgentError, SettingsError, TurnedAwayError, UnreachableError)


class _Commands(click.Group):
    """The commands, with every error of ours as a sentence and the exit code that it stands for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - a method of click
        return sorted(_LATER)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - the same
        if cmd_name not in _LATER:
            return None
        module, _, name = _LATER[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except RefusedError as error:
            end(error, NO)
        except _WRONG_USAGE as error:
            end(error, USAGE)
        except _STOPPED_AT_START as error:
            end(error, CANNOT_START)
        except ProgramError as error:
            end(error, error.code)


@click.group(cls=_Commands)
@click.version_option(package_name="bursar", prog_name="bursar")
def cli() -> None:
    """Exact cost on every Claude call, and a purse that holds."""


learn()
