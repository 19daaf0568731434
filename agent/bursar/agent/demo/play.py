"""How the demo is played: everything started, the application run, the books compared."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live

from bursar.agent.commands.dashboard import link
from bursar.agent.commands.private_agent import PrivateAgent, private_agent
from bursar.agent.commands.run import instrumented
from bursar.agent.demo import lever, screen, stage
from bursar.agent.demo.summary import Summary, summarise
from bursar.agent.ledger import open_for_reading, outbox, reports
from bursar.agent.sandbox.app import create_app
from bursar.agent.sandbox.server import serving

LOOK_SECONDS = 0.25
PLAIN_SECONDS = 5.0
DELIVERY_SECONDS = 10.0
APPLICATION_SECONDS = 120.0
KEPT_TICKET_SECONDS = 3600
_LAST_LINES = 10


class DemoError(Exception):
    """The application failed, or nothing of it was counted; the text says what it said last."""


@dataclass(frozen=True, slots=True)
class Play:
    """A demo on its stage, while it runs."""

    sandbox: str
    agent: PrivateAgent
    slack: stage.Slack
    began_ns: int


def play(
    environ: Mapping[str, str],
    console: Console,
    *,
    prices: Path | None = None,
    keep: bool = False,
    report: Callable[[Summary], None] = lambda _: None,
) -> Summary:
    """
    Play it, showing the spend on `console` as it goes; with `keep`, leave it running until Ctrl-C.

    `report` is told how it went once that is known, also of a demo that is kept.

    Raises `DemoError`, `PrivateAgentError`, `PriceBookError` and `httpx.HTTPError`.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bursar-demo-")))
        slack = stage.Slack()
        hook = stack.enter_context(serving(slack.app()))
        api = create_app(batch_delay_s=stage.BATCH_SECONDS)
        api.state.staging.put({"on": "messages.create", "latency-ms": str(stage.LATENCY_MS)})
        sandbox = stack.enter_context(serving(api))
        policy = folder / "demo.toml"
        policy.write_text(stage.policy(datetime.now(UTC)))
        agent = stack.enter_context(
            private_agent(
                policy=policy,
                prices=prices,
                db=None,
                environ={**past_proxies(environ), **_customer(sandbox), "SLACK_WEBHOOK_URL": f"{hook}/hook"},
            )
        )
        on_stage = Play(sandbox, agent, slack, time.time_ns())
        said = folder / "application.log"
        _run_application(on_stage, environ, console, said)
        _settled(on_stage)
        summary = _summary(on_stage)
        if not summary.charges:
            raise _failed("made no call that was counted", said)
        with console.status("answering 25 questions twice: as they are, and as `bursar advise` says"):
            summary = replace(summary, lever=_pulled(on_stage, folder, environ, prices))
        console.print(_look(on_stage), screen.closing(summary, width=console.width))
        report(summary)
        if keep:
            _keep(on_stage, console)
    return summary


def _run_application(on_stage: Play, environ: Mapping[str, str], console: Console, said: Path) -> None:
    """The application as anybody would start it, but for the environment; its errors go to `said`."""
    command = [
        sys.executable, str(stage.application()), "--tickets", str(stage.TICKETS), "--people", str(stage.PEOPLE),
    ]  # fmt: skip
    with said.open("wb") as errors:
        process = subprocess.Popen(
            command,
            env=_environment(on_stage.sandbox, on_stage.agent, environ),
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )
    try:
        if console.is_terminal:
            with Live(console=console, refresh_per_second=8, transient=True) as view:
                _until_done(process, LOOK_SECONDS, lambda: view.update(_look(on_stage)))
        else:
            _until_done(process, PLAIN_SECONDS, lambda: console.print(_said(on_stage)))
        if process.poll() is None:
            raise _failed(f"did not end within {APPLICATION_SECONDS:g} s", said)
    finally:
        process.kill()
        code = process.wait()
    if code:
        raise _failed(f"ended with exit code {code}", said)


def _failed(how: str, said: Path) -> DemoError:
    lines = said.read_text(errors="replace").splitlines()[-_LAST_LINES:]
    return DemoError("\n".join([f"the application {how}. It said last:", *(lines or ["nothing"])]))


def _until_done(process: subprocess.Popen[bytes], seconds: float, show: Callable[[], None]) -> None:
    """Show how it goes until the application ends, or its time is up."""
    end = time.monotonic() + APPLICATION_SECONDS
    while time.monotonic() < end:
        show()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            continue
        show()
        return


def _pulled(on_stage: Play, folder: Path, environ: Mapping[str, str], prices: Path | None) -> lever.Lever:
    try:
        return lever.pull(
            on_stage.sandbox,
            folder,
            {**past_proxies(environ), **_customer(on_stage.sandbox)},
            prices,
            lambda agent: _environment(on_stage.sandbox, agent, environ),
        )
    except lever.LeverError as error:
        raise DemoError(f"the first recommendation was not tried: {error}") from error


def _environment(sandbox: str, agent: PrivateAgent, environ: Mapping[str, str]) -> dict[str, str]:
    ours = {name: value for name, value in environ.items() if not name.startswith(("ANTHROPIC_", "BURSAR_", "OTEL_"))}
    return {
        **instrumented(past_proxies(ours)),
        **_customer(sandbox),
        "BURSAR_AGENT": agent.url,
        "BURSAR_STATE_DIR": str(agent.state_dir),
        "BURSAR_TOKEN_FILE": str(agent.token_file),
        "BURSAR_ON_UNREACHABLE": "closed",
    }


def _customer(sandbox: str) -> dict[str, str]:
    """Application and agent ask as the same customer: else nothing is put off."""
    return {"ANTHROPIC_BASE_URL": sandbox, "ANTHROPIC_API_KEY": "sk-ant-sandbox"}


def past_proxies(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment with everything of the demo, all on this machine, exempt from proxies, in both spellings."""
    before = environ.get("no_proxy") or environ.get("NO_PROXY")
    exempt = ",".join(filter(None, (before, "127.0.0.1,localhost")))
    return {**environ, "NO_PROXY": exempt, "no_proxy": exempt}


def _look(on_stage: Play) -> Any:
    now = time.time_ns()
    with open_for_reading(on_stage.agent.db) as db:
        routes = reports.by(db, ["route", "model"], on_stage.began_ns, now)
        budgets = reports.budgets(db, now)
        recent = reports.recent_calls(db, on_stage.began_ns, now, limit=screen.RECENT)
    budget = next((row for row in budgets if row["budget"] == stage.BUDGET), None)
    return screen.live(budget, routes, recent, on_stage.slack.texts())


def _said(on_stage: Play) -> str:
    """One line of progress, where there is no terminal to draw on."""
    with open_for_reading(on_stage.agent.db) as db:
        total = reports.totals(db, on_stage.began_ns, time.time_ns())
    return f"{total['calls']} calls, {total['nano_usd'] / 1e9:.4f} of {stage.LIMIT}"


def _settled(on_stage: Play) -> None:
    """Wait until every journal is booked and every alert delivered, a bounded time."""
    end = time.monotonic() + DELIVERY_SECONDS
    while time.monotonic() < end:
        with open_for_reading(on_stage.agent.db) as db:
            waiting = [alert for alert in outbox.recent(db, on_stage.began_ns) if alert.sent_ns is None]
            in_flight = reports.holds(db)
        if not waiting and not in_flight and not any((on_stage.agent.state_dir / "journal").glob("*.jsonl")):
            return
        time.sleep(LOOK_SECONDS)


def _summary(on_stage: Play) -> Summary:
    until_ns = time.time_ns()
    billed = lever.billed(on_stage.sandbox)
    with open_for_reading(on_stage.agent.db) as db:
        return summarise(
            db,
            since_ns=on_stage.began_ns,
            until_ns=until_ns,
            billed=billed,
            limit=stage.LIMIT_NANO,
            alerts=on_stage.slack.by_step(),
        )


def _keep(on_stage: Play, console: Console) -> None:
    agent = on_stage.agent
    console.print(
        f"\nStill running, until Ctrl-C. The dashboard, by a link that lets one browser in, within an hour:\n"
        f"  {link(agent.url, agent.token_file, seconds=KEPT_TICKET_SECONDS)}\n"
        f"The sandbox's bill: {on_stage.sandbox}/sandbox/bill\n"
        f"Look around from another terminal:\n"
        f"  export BURSAR_DB={agent.db} BURSAR_AGENT={agent.url} BURSAR_TOKEN_FILE={agent.token_file}\n"
        f"  bursar dashboard\n  bursar top\n  bursar report --by route,model\n  bursar budgets\n  bursar advise",
        soft_wrap=True,
    )
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        console.print("stopped")
