"""Is there an agent, does it take what we send, and do its clock and ours agree?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bursar.agent.commands.reach import TurnedAwayError, UnreachableError, answers, ask, check_welcome, clock_of
from bursar.agent.doctor.finding import Finding, State, Surroundings
from bursar.agent.doctor.told import told_policy, told_snapshot
from bursar.agent.ledger import LedgerError, glance, open_for_reading
from bursar.policies.agentaddress import HOST, PORT

APART_SECONDS = 5
"""Clocks that differ by more than this disagree: an answer may have been a second on its way, and names whole ones."""
AHEAD_SECONDS = 300
"""How far ahead of this clock the newest call may lie."""
_OK = 200


def agent(around: Surroundings) -> Iterator[Finding]:
    url = around.environ.get("BURSAR_AGENT", "")
    usual = f"http://{HOST}:{PORT}"
    if not url and answers(usual):
        yield Finding("agent", State.WARN, f"one answers at {usual}, and BURSAR_AGENT is not set", f"set it to {usual}")
    elif not url:
        remedy = f"start `bursar agent` and set BURSAR_AGENT={usual}, or use `bursar run`"
        yield Finding("agent", State.WARN, "BURSAR_AGENT is not set: calls are journalled, no budget holds", remedy)
    else:
        yield _agent_at(url, around.settings.token_file, around.settings.ca_file)


def _agent_at(url: str, token_file: Path | None, ca_file: Path | None) -> Finding:
    try:
        status, _ = ask(url, "/healthz", ca_file=ca_file)
        ready, said = ask(url, "/readyz", ca_file=ca_file)
        if status != _OK:
            remedy = "see that BURSAR_AGENT names a Bursar agent"
            return Finding("agent", State.FAIL, f"{url} answers {status} to /healthz", remedy)
        if ready != _OK:
            return Finding("agent", State.FAIL, f"{url}: {said.strip()}", "see the agent's log")
        check_welcome(url, token_file, ca_file=ca_file)
    except UnreachableError as error:
        return Finding("agent", State.FAIL, str(error), "start it with `bursar agent`, or correct BURSAR_AGENT")
    except TurnedAwayError as error:
        return Finding("agent", State.FAIL, str(error), "set BURSAR_TOKEN_FILE to the agent's token file")
    return Finding("agent", State.OK, f"{url} is ready")


def clock(around: Surroundings) -> Iterator[Finding]:
    """Whether this machine, the agent and the ledger tell the same time, and when a day begins."""
    url = around.environ.get("BURSAR_AGENT", "")
    told = clock_of(url, ca_file=around.settings.ca_file) if url else None
    yield judge_clock(told, around.now, _day(around))
    newest_ns = _newest_ns(around.settings.db)
    if newest_ns is not None and newest_ns - around.now_ns > AHEAD_SECONDS * 10**9:
        at = datetime.fromtimestamp(newest_ns // 10**9, UTC)
        said = f"the ledger's newest call is of {at:%Y-%m-%d %H:%M} UTC, which is still to come"
        remedy = "set this machine's clock, or that of the machine that made the call, by NTP"
        yield Finding("clock", State.WARN, said, remedy)


def judge_clock(told: datetime | None, now: datetime, day: str) -> Finding:
    """Whether the agent's clock, where one told it, agrees with ours; `day` says when days begin."""
    if told is None:
        return Finding("clock", State.OK, f"{now:%Y-%m-%d %H:%M:%S} UTC here, no agent to compare with; {day}")
    apart = told - now
    if abs(apart) > timedelta(seconds=APART_SECONDS):
        way = "ahead of" if apart > timedelta() else "behind"
        said = f"the agent's is {abs(apart).total_seconds():.0f} s {way} this machine's; {day}"
        return Finding("clock", State.WARN, said, "set both by NTP: windows turn by the time at which a call is sent")
    return Finding("clock", State.OK, f"the agent's and this machine's agree; {day}")


def _day(around: Surroundings) -> str:
    """By which clock days turn, and when that is here."""
    policy = told_policy(told_snapshot(around.settings.state_dir))
    if policy is None:
        return "days begin at midnight in UTC until a policy says otherwise"
    local = around.now.astimezone(policy.zone)
    turns = (local + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return f"days of the policy begin at midnight in {policy.timezone}, {turns.astimezone(UTC):%H:%M} UTC next"


def _newest_ns(db: Path) -> int | None:
    try:
        with open_for_reading(db) as ledger:
            return glance.newest_ns(ledger)
    except LedgerError:
        return None
