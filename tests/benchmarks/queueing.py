"""
How many calls that may wait does the agent accept in a second, each on its disk, and when have all their answers?

Run as `python -m tests.benchmarks.queueing [--documents N]`; docs/figures.md has what it said. The calls are the
documents of `batching`, offered to a real agent over loopback; each asks for the money of three budgets.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import anthropic
import httpx
from anthropic._utils._json import openapi_dumps
from rich.console import Console
from tests.benchmarks import household
from tests.benchmarks.batching import MODEL, TOKENS_OUT, Ask, documents, ticket

from bursar.agent.sandbox import create_app, serving
from bursar.instrumentation import instrument, uninstrument
from bursar.instrumentation.dial import Dial
from bursar.instrumentation.link import AgentLink
from bursar.instrumentation.rules import load_snapshot
from bursar.instrumentation.runtime import current_runtime
from bursar.policies import deferral
from bursar.policies.agentaddress import read_agent_address
from bursar.policies.deferral import Offer, Taken, WaitRequest
from bursar.policies.policyfile import parse_policy

CONNECTIONS = (1, 32)
WAIT_SECONDS = 900
"""How long each call may wait: for company it waits a tenth of that."""
AT_ONCE = 500
SECOND = 10**9
IN_NANO, OUT_NANO = 1_000 // 2, 5_000 // 2
"""A token of Haiku 4.5, in and out, at half the price."""
MOST_NANO = 2_000_000
LABELS = {"tenant": "acme", "env": "prod"}
ROUTE = "bench.calls"


def offers(asks: Sequence[Ask], prefix: str, credential: str) -> Iterator[bytes]:
    """Each call as the application offers it, written before the clock runs."""
    now_ns = time.time_ns()
    keys = balances(now_ns)
    for number, ask in enumerate(asks):
        name = f"{prefix}-{number:x}"
        offer = Offer(
            id=f"d-{name}",
            call_id=f"c-{name}",
            attempt_id=name,
            at_ns=now_ns,
            due_ns=now_ns + WAIT_SECONDS * SECOND,
            route=ROUTE,
            model=MODEL,
            requested_model=MODEL,
            body=openapi_dumps(ask).decode(),
            credential=credential,
            labels=LABELS,
            balances=keys,
            hard=keys,
            most=MOST_NANO,
            expected=MOST_NANO // 2,
            sync_most=2 * MOST_NANO,
            sync_expected=MOST_NANO,
            reason="step",
        )
        yield json.dumps(deferral.to_json(offer)).encode()


def balances(now_ns: int) -> tuple[str, ...]:
    """The balances that such a call meets."""
    policy = parse_policy(household.POLICY, file="bursar.toml")
    at = datetime.fromtimestamp(now_ns / SECOND, UTC)
    windows = [(budget, budget.window(at, policy.zone, conversation="", run="")) for budget in policy.budgets]
    return tuple(budget.balance_key(window, budget.scope(LABELS, ROUTE, MODEL)) for budget, window in windows)


def credential(agent: str, folder: Path) -> str:
    """What the agent calls the customer that it may submit for."""
    instrument(environ={"BURSAR_AGENT": agent, "BURSAR_STATE_DIR": str(folder / "agent-state")})
    runtime = current_runtime()
    assert runtime is not None
    runtime.guard.greet()
    snapshot = load_snapshot(runtime.config.state_dir)
    uninstrument()
    if snapshot is None or not snapshot.credentials:
        raise RuntimeError("the agent names no credential that it submits with")
    return snapshot.credentials[0]


def accepted(agent: str, bodies: Sequence[bytes], connections: int) -> tuple[float, int]:
    """Offer all of them over so many connections at once: the seconds, and how many were taken."""

    def offer_some(share: Sequence[bytes]) -> int:
        link = AgentLink(Dial(read_agent_address(agent)), None)
        taken = 0
        for body in share:
            answer: Taken = deferral.taken_from_json(link.post(deferral.PATH, body, seconds=60.0))
            taken += answer.accepted
        link.close()
        return taken

    shares = [bodies[first::connections] for first in range(connections)]
    began = time.perf_counter()
    with ThreadPoolExecutor(connections) as pool:
        taken = sum(pool.map(offer_some, shares))
    return time.perf_counter() - began, taken


def bare(agent: str, count: int) -> float:
    """Seconds for as many HTTP exchanges with the same agent that touch no disk."""
    with httpx.Client() as client:
        client.get(f"{agent}/healthz")
        began = time.perf_counter()
        for _ in range(count):
            client.get(f"{agent}/healthz")
        return time.perf_counter() - began


def answered(agent: str, ids: Sequence[str]) -> tuple[int, int]:
    """Wait until every call is over: how many have a message, and half of what these would have cost at once."""
    link, messages, nano = AgentLink(Dial(read_agent_address(agent)), None), 0, 0
    for first in range(0, len(ids), AT_ONCE):
        left = set(ids[first : first + AT_ONCE])
        while left:
            request = WaitRequest(tuple(left), 5.0)
            told = link.post(deferral.WAIT_PATH, json.dumps(deferral.to_json(request)).encode(), seconds=60.0)
            for outcome in deferral.wait_response_from_json(told).outcomes:
                if outcome.state.over:
                    left.discard(outcome.id)
                    if outcome.message is not None:
                        usage = json.loads(outcome.message)["usage"]
                        messages += 1
                        nano += usage["input_tokens"] * IN_NANO + usage["output_tokens"] * OUT_NANO
    link.close()
    return messages, nano


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.queueing", description=__doc__)
    parser.add_argument("--documents", type=int, default=10_000)
    count: int = parser.parse_args().documents
    console = Console(width=140, highlight=False)
    with TemporaryDirectory() as name, serving(create_app()) as url:
        os.environ.update(ANTHROPIC_BASE_URL=url, ANTHROPIC_API_KEY="sk-ant-sandbox")
        folder = Path(name)
        with household.agent(folder) as agent:
            with anthropic.Anthropic() as client:
                asks = [{**ask, "max_tokens": TOKENS_OUT} for ask in documents(count, ticket(client))]
            named = credential(agent, folder)
            share = count // len(CONNECTIONS)
            began, total = time.perf_counter(), 0
            ids: list[str] = []
            exchange = bare(agent, 500) / 500
            for number, connections in enumerate(CONNECTIONS):
                some = asks[number * share : (number + 1) * share]
                bodies = list(offers(some, f"{number}", named))
                seconds, taken = accepted(agent, bodies, connections)
                ids += [f"d-{number}-{place:x}" for place in range(len(some))]
                total += taken
                console.print(
                    f"{connections} connections: {taken} of {len(some)} accepted in {seconds:.1f} s, "
                    f"{taken / seconds:.0f} a second; {seconds / taken / exchange:.1f} bare exchanges each"
                )
            messages, nano = answered(agent, ids)
            console.print(f"{messages} answers, the last {time.perf_counter() - began:.1f} s after the first offer")
            bill: int = httpx.get(f"{url}/sandbox/bill").json()["nano_usd"]
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        console.print(f"the agent's memory at its peak: {peak / 1_000:.0f} MB")
        ledger = household.booked(folder)
    checks = {
        "every call was accepted and answered": total == messages == len(ids),
        "each cost exactly half of what it costs at once": bill == nano,
        "the ledger has the bill, to the nano-dollar": (ledger.nano_usd, ledger.calls) == (bill, len(ids)),
    }
    for what, holds in checks.items():
        console.print(f"{'[green]true' if holds else '[red]FALSE'}[/]: {what}")
    return 0 if all(checks.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
