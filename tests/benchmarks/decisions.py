"""How long does a decision in a lease take, and a grant, beside a bare dict check and a bare round trip?"""

from __future__ import annotations

import http.client
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

from tests.benchmarks.household import agent
from tests.soak.figure import Claim, Figure, Progress, silently
from tests.soak.premises import ignore

from bursar.instrumentation.attempt import Attempt
from bursar.instrumentation.config import Config
from bursar.instrumentation.errand import Errand
from bursar.instrumentation.leases import Leases
from bursar.instrumentation.link import Unreachable
from bursar.instrumentation.runtime import Runtime
from bursar.instrumentation.sync import Ask
from bursar.policies.agentaddress import read_agent_address
from bursar.policies.balancekey import Amounts
from bursar.policies.protocol import Need

BODY: dict[str, Any] = {
    "model": "claude-sonnet-5-5",
    "max_tokens": 256,
    "messages": [{"role": "user", "content": "Hello"}],
}
LABELS = {"tenant": "acme", "env": "prod"}
ROUTE = "bench.calls"
WARM = 200
ROUNDS = 5
"""Each thing is measured in so many rounds, in turn with the others; the best round's figures stand."""


def measure(size: int, *, first: int = 0, progress: Progress = silently) -> Figure:
    """So many decisions in each round."""
    with tempfile.TemporaryDirectory() as folder, agent(Path(folder)) as url:
        runtime = Runtime(Config(Path(folder) / "state", agent=read_agent_address(url), labels=LABELS))
        try:
            return _figure(_measure(runtime, url, Path(folder), size, progress), *_asks(runtime, size))
        finally:
            runtime.close()


def _measure(runtime: Runtime, url: str, folder: Path, size: int, progress: Progress) -> dict[str, Sequence[float]]:
    link = http.client.HTTPConnection(urlsplit(url).netloc)
    ways: dict[str, tuple[Callable[[], object], int]] = {
        "a bare dict check": (_dict_check(), size),
        "a hold in a lease": (_hold(), size),
        "a decision in a lease": (_decision(runtime), size),
        "a bare HTTP round trip": (lambda: _round_trip(link), max(size // 20, 50)),
        "a commit of one row, to this disk": (_commit(folder), max(size // 20, 50)),
        "a grant over loopback": (_grant(runtime), max(size // 20, 50)),
    }
    best: dict[str, Sequence[float]] = {}
    for turn in range(ROUNDS):
        link.close()  # what was idle for a while the agent closes; the next request opens it again
        for name, (act, times) in ways.items():
            taken = _timed(act, times)
            if name not in best or statistics.median(taken) < statistics.median(best[name]):
                best[name] = taken
        progress(turn + 1, ROUNDS)
    link.close()
    return best


def _figure(best: dict[str, Sequence[float]], asks: int, calls: int) -> Figure:
    p50 = {name: statistics.median(taken) * 1e6 for name, taken in best.items()}
    p99 = {name: sorted(taken)[int(len(taken) * 0.99)] * 1e6 for name, taken in best.items()}
    over_http = ("a bare HTTP round trip", "a commit of one row, to this disk", "a grant over loopback")
    beside = {name: over_http[0] if name in over_http else "a bare dict check" for name in best}
    rows = [
        (name, f"{p50[name]:,.1f}", f"{p99[name]:,.1f}", f"{p50[name] / p50[beside[name]]:,.1f} x {beside[name]}")
        for name in best
    ]
    rows.append(("asks per 1,000 calls", f"{asks * 1_000 / calls:,.1f}", "", ""))
    return Figure(
        "decisions",
        "A decision inside a lease and a grant, in microseconds; ratios are to what stands beside them in the same run",
        ("", "p50", "p99", "p50 as a ratio"),
        rows,
        (
            Claim("a decision in a lease: p50 under 10 µs", p50["a decision in a lease"] < 10),
            Claim("a decision in a lease: p99 under 100 µs", p99["a decision in a lease"] < 100),
            Claim("a grant over loopback: p50 under 1 ms", p50["a grant over loopback"] < 1_000),
        ),
        ("python -m tests.soak decisions",),
        {"p50_us": p50, "p99_us": p99, "asks_per_1000": asks * 1_000 / calls},
    )


def _timed(act: Callable[[], object], times: int) -> list[float]:
    for _ in range(min(WARM, times)):
        act()
    taken: list[float] = []
    for _ in range(times):
        began = time.perf_counter()
        act()
        taken.append(time.perf_counter() - began)
    return taken


def _dict_check() -> Callable[[], object]:
    """What a counter in memory would do: is there enough left, and take it."""
    left = {"all": 10**15}

    def check() -> bool:
        if left["all"] < 1_000:
            return False
        left["all"] -= 1_000
        return True

    return check


def _hold() -> Callable[[], object]:
    """Three balances, as each call of the benchmarks meets."""
    leases, keys = Leases(), ("tenant-day", "all-month", "route-day")
    leases.merge(dict.fromkeys(keys, 10**15))

    def act() -> None:
        leases.hold("a", keys, Amounts(usd=1_000))
        leases.release("a")

    return act


def _errand(runtime: Runtime) -> Errand:
    attempt = runtime.ids.attempt()
    # Each asks something else: the same again and again would be judged as a loop.
    body = {**BODY, "messages": [{"role": "user", "content": f"Hello {attempt}"}]}
    return Errand(attempt, ROUTE, LABELS, body, time.time_ns())


def _decision(runtime: Runtime) -> Callable[[], object]:
    """The whole verdict over three budgets: matched, priced, bounded and held; its hold is let go again."""
    runtime.guard.greet()
    for _ in range(20):  # until a lease stays
        runtime.leases.release(_admitted(runtime))

    def act() -> None:
        runtime.leases.release(_admitted(runtime))

    return act


def _admitted(runtime: Runtime) -> str:
    errand = _errand(runtime)
    runtime.guard.admit(errand)
    return errand.attempt_id


def _grant(runtime: Runtime) -> Callable[[], object]:
    """An ask of its own for each, in one balance."""
    policy = runtime.rules.policy
    assert policy is not None
    met = runtime.guard.standings.met(policy, _errand(runtime), BODY["model"])
    sync, keys = runtime.sync, met.survey.balances
    assert sync is not None

    def act() -> None:
        need = Need(runtime.ids.attempt(), keys, 3_000_000, 3_000_000)
        with suppress(Unreachable):  # on a machine too busy for half a second; it counts as the time it took
            sync.ask(Ask(need=need))
        runtime.leases.release(need.attempt_id)

    return act


def _commit(folder: Path) -> Callable[[], object]:
    """What the disk itself takes to keep what an answer must not lose: one row, by SQLite as the ledger sets it up."""
    db = sqlite3.connect(folder / "beside.sqlite", isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("CREATE TABLE held (amount INTEGER)")
    return lambda: db.execute("INSERT INTO held VALUES (1)")


def _round_trip(link: http.client.HTTPConnection) -> None:
    link.request("GET", "/healthz")
    link.getresponse().read()


def _asks(runtime: Runtime, size: int) -> tuple[int, int]:
    """How often so many calls in a row ask, each settled before the next."""
    sync = runtime.sync
    assert sync is not None
    asked = 0
    carry = sync.ask

    def counting(ask: Ask) -> Any:
        nonlocal asked
        asked += 1
        return carry(ask)

    sync.ask = counting  # type: ignore[method-assign]
    calls = max(min(size, 2_000), 1_000)
    for _ in range(calls):
        errand = _errand(runtime)
        admission = runtime.guard.admit(errand)
        attempt = Attempt(_call(runtime), errand, BODY["model"], admission)
        attempt.sent()
        attempt.told({"model": BODY["model"], "content": [], "usage": {"input_tokens": 12, "output_tokens": 40}}, {})
    return asked, calls


def _call(runtime: Runtime) -> Any:
    """A call that nobody watches."""
    return SimpleNamespace(
        runtime=runtime,
        id=runtime.ids.call(),
        work=SimpleNamespace(route=ROUTE, labels=LABELS),
        requested_model=BODY["model"],
        region=None,
        stage=None,
        marks=None,
        show=ignore,
        charged=ignore,
        streaming=ignore,
    )
