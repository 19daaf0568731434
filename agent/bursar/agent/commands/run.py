"""How is a program run under Bursar without a change to it, and what is said of it at the end?"""

from __future__ import annotations

import importlib.util
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from bursar.agent.commands import claude
from bursar.agent.commands.options import policy_option, prices_option
from bursar.agent.commands.private_agent import Left, PrivateAgent, private_agent
from bursar.agent.commands.program import resolve, run_program
from bursar.agent.commands.reach import answers, check_welcome
from bursar.agent.ledger import LedgerError, open_for_reading, outbox, reports
from bursar.policies.agentaddress import UNIX
from bursar.policies.amounts import usd
from bursar.policies.policyfile import one_cap

_DONE = {"downgrade": "downgraded", "block": "refused"}
_ALL = 10**9

SIGN = "BURSAR_SIGN"
"""Names the file that every Python touches which starts with the `sitecustomize` and has Bursar."""

UNSEEN = (
    "bursar: no instrumented Python was seen: nothing was counted or capped; "
    "do not use python -I, -E or -S, and install bursar in that interpreter"
)
DISABLED = "bursar: BURSAR_DISABLED is set: nothing was counted or capped"
_NOT_HELD = 1
_READ_CONFIG = """
import os, sys
from bursar.instrumentation.config import ConfigError, read_config
try:
    print(read_config(os.environ).disabled)
except ConfigError as error:
    sys.exit(str(error))
"""
"""Run in a process of its own: the agent does not import the instrumentation."""


class RunError(Exception):
    """A combination that cannot work; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Order:
    """What `bursar run` was asked for. At most one of `policy` and `limit` is given."""

    command: tuple[str, ...]
    policy: Path | None = None
    limit: str | None = None
    prices: Path | None = None
    db: Path | None = None


def run(order: Order, environ: Mapping[str, str], say: Callable[[str], None]) -> int:
    """
    Run the command, instrumented, under the agent in reach or else one of its own; its exit code.

    Ends with one line to `say`, and one more where no Python was instrumented: then a limit or a policy was not held,
    and success becomes exit code 1. Raises `RunError`, `ProgramError`, `PrivateAgentError`, `AmountError`,
    `TurnedAwayError` and `UnreachableError`.
    """
    argv = resolve(order.command, environ)
    disabled = _is_disabled(environ) and order.limit is None
    of_claude = claude.is_claude(argv)
    if of_claude and order.limit is not None:
        raise RunError(
            "--limit cannot be held for Claude Code, which tells of a request once it is answered: "
            "leave it out, or be alerted by the budgets of a --policy"
        )
    if disabled and order.policy is not None:
        raise RunError("BURSAR_DISABLED is set, and no policy holds then: unset it, or leave --policy out")
    shared = environ.get("BURSAR_AGENT", "")
    with tempfile.TemporaryDirectory(prefix="bursar-sign-") as folder:
        sign = Path(folder) / "seen"
        if shared and answers(shared, ca_file=_path(environ, "BURSAR_CA_FILE")):
            _refuse_own_rules(order, shared)
            if of_claude and shared.startswith(UNIX) and not environ.get(claude.ENDPOINT):
                raise RunError(claude.NOT_OVER_UNIX)
            code, counted = _under_shared(argv, shared, {**environ, SIGN: str(sign)}, say), of_claude
        else:
            code, counted = _under_own(order, argv, environ, sign, say)
        seen = counted or sign.exists()
    if disabled:
        say(DISABLED)
    if disabled or seen:
        return code
    say(claude.UNTOLD if of_claude else UNSEEN)
    ruled = order.limit is not None or order.policy is not None
    return code or (_NOT_HELD if ruled else 0)


def _under_shared(argv: Sequence[str], agent: str, environ: Mapping[str, str], say: Callable[[str], None]) -> int:
    token_file = _path(environ, "BURSAR_TOKEN_FILE")
    check_welcome(agent, token_file, ca_file=_path(environ, "BURSAR_CA_FILE"))
    code = run_program(argv, {**instrumented(environ), **_telling(argv, agent, token_file, environ)})
    say(f"bursar: the calls were told to the agent at {agent}; see `bursar report`")
    return code


def _under_own(
    order: Order, argv: Sequence[str], environ: Mapping[str, str], sign: Path, say: Callable[[str], None]
) -> tuple[int, bool]:
    """The exit code, and whether any call was counted."""
    with (
        _policy_file(order) as policy,
        private_agent(policy=policy, prices=order.prices, db=order.db, environ=environ) as agent,
    ):
        began_ns = time.time_ns()
        telling = _telling(argv, agent.url, agent.token_file, environ)
        code = run_program(argv, {**_environment(order, agent, environ), **telling, SIGN: str(sign)})
        line, counted = _tell(agent, began_ns, agent.finish())
        say(line)
    return code, counted


def _path(environ: Mapping[str, str], name: str) -> Path | None:
    told = environ.get(name)
    return Path(told) if told else None


def _telling(argv: Sequence[str], agent: str, token_file: Path | None, environ: Mapping[str, str]) -> dict[str, str]:
    """What Claude Code needs to tell the agent; nothing for any other program, or where Bursar is switched off."""
    if not claude.is_claude(argv) or _is_disabled(environ):
        return {}
    token = None if token_file is None else token_file.read_text(encoding="utf-8").strip()
    return claude.telling(agent, token or None, environ, Path.cwd())


def instrumented(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment, a run of its own, in which every Python loads Bursar as soon as it imports `anthropic`."""
    path = [str(autoload_folder()), *filter(None, environ.get("PYTHONPATH", "").split(os.pathsep))]
    run = environ.get("BURSAR_RUN") or secrets.token_hex(8)
    return {**environ, "PYTHONPATH": os.pathsep.join(dict.fromkeys(path)), "BURSAR_RUN": run}


def autoload_folder() -> Path:
    """Where the `sitecustomize` of the instrumentation lies, found without importing it. Raises `RunError`."""
    spec = importlib.util.find_spec("bursar.instrumentation")
    for place in (spec.submodule_search_locations if spec is not None else None) or ():
        folder = Path(place) / "autoload"
        if folder.is_dir():
            return folder
    raise RunError("bursar.instrumentation is not installed beside this agent: pip install bursar")


def last_line(total: reports.Row, decisions: Sequence[reports.Row], *, alerts: int) -> str:
    """One line on what a run cost and what the steps did; a call that was retried under a step counts once."""
    estimated = total["estimated_nano_usd"]
    line = f"bursar: {_counted(total['calls'], 'call')}, {usd(total['nano_usd'])} USD"
    line += f" ({usd(estimated)} USD estimated)" if estimated else " (0 estimated)"
    if total["unknown_charges"]:
        line += f" and {_counted(total['unknown_charges'], 'charge')} of unknown cost"
    acted = Counter(action for action, _ in {(row["action"], row["call_id"]) for row in decisions})
    done = [f"{word} {acted[action]}" for action, word in _DONE.items() if acted[action]]
    done += [f"alerted {alerts}"] if alerts else []
    return f"{line}; {', '.join(done)}" if done else line


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _is_disabled(environ: Mapping[str, str]) -> bool:
    """
    Whether the instrumentation is switched off by the environment.

    Raises `RunError` for variables that it would refuse in every process of the program.
    """
    if not any(name.startswith("BURSAR_") and value for name, value in environ.items()):
        return False
    judged = subprocess.run(
        [sys.executable, "-c", _READ_CONFIG], env=environ, capture_output=True, text=True, check=False
    )
    if judged.returncode:
        raise RunError(judged.stderr.strip().rpartition("\n")[2])
    return judged.stdout.strip() == "True"


def _refuse_own_rules(order: Order, shared: str) -> None:
    own = {"--policy": order.policy, "--limit": order.limit, "--prices": order.prices, "--db": order.db}
    option = next((name for name, value in own.items() if value is not None), None)
    if option is not None:
        raise RunError(
            f"{option} needs an agent of the command's own, and BURSAR_AGENT names the one at {shared}, which has "
            f"its own rules: unset BURSAR_AGENT to use {option}, or leave {option} out"
        )


@contextmanager
def _policy_file(order: Order) -> Generator[Path | None]:
    """The policy's file; for a limit a temporary one is written. Raises `AmountError`."""
    if order.limit is None:
        yield order.policy
        return
    with tempfile.TemporaryDirectory(prefix="bursar-limit-") as folder:
        path = Path(folder) / "limit.toml"
        path.write_text(one_cap(order.limit))
        yield path


def _environment(order: Order, agent: PrivateAgent, environ: Mapping[str, str]) -> dict[str, str]:
    own = {
        "BURSAR_AGENT": agent.url,
        "BURSAR_STATE_DIR": str(agent.state_dir),
        "BURSAR_TOKEN_FILE": str(agent.token_file),
    }
    if order.prices is not None:
        own["BURSAR_PRICES"] = str(order.prices.absolute())
    if order.limit is not None:
        # A cap that somebody asked for holds, whatever becomes of the agent and whatever the environment says.
        own |= {"BURSAR_ON_UNREACHABLE": "closed", "BURSAR_ENFORCE": "1", "BURSAR_DISABLED": "0"}
    return {**instrumented(environ), **own}


def _tell(agent: PrivateAgent, began_ns: int, left: Left) -> tuple[str, bool]:
    """The last line, and whether the ledger has any call of the run."""
    counted = False
    try:
        with open_for_reading(agent.db) as db:
            end_ns = time.time_ns() + 1
            total, decisions = reports.totals(db, began_ns, end_ns), reports.decisions(db, began_ns, end_ns, limit=_ALL)
            line = last_line(total, decisions, alerts=len(outbox.recent(db, began_ns)))
            counted = bool(total["calls"] or decisions)
    except LedgerError as error:
        line = f"bursar: what the calls cost cannot be told: {error}"
    return line + _left(left), counted


def _left(left: Left) -> str:
    """What of the program is not in the ledger, or will not be."""
    said = f"; not counted: {', '.join(map(str, left.unread))}" if left.unread else ""
    if left.in_use:
        still = "1 process still runs" if len(left.in_use) == 1 else f"{len(left.in_use)} processes still run"
        said += f"; {still}, not counted from here on: {', '.join(map(str, left.in_use))}"
    return said


@click.command("run", context_settings={"allow_interspersed_args": False, "ignore_unknown_options": True})
@policy_option
@click.option("--limit", metavar="AMOUNT", help='What the command may spend in all: "2 USD".')
@prices_option
@click.option("--db", type=click.Path(dir_okay=False, path_type=Path), help="Keep the ledger in this file.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def run_command(
    policy: Path | None, limit: str | None, prices: Path | None, db: Path | None, command: tuple[str, ...]
) -> None:
    """Run a program under Bursar, without a change to it: `bursar run --limit "2 USD" -- python app.py`."""
    if policy is not None and limit is not None:
        raise click.UsageError("--policy and --limit exclude each other: write the limit into the policy")
    order = Order(command, policy=policy, limit=limit, prices=prices, db=db)
    sys.exit(run(order, os.environ, lambda line: click.echo(line, err=True)))
