"""Claims about bad input: no endpoint answers with a 500, grows, or falls; and the ledger adds up after it."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.routing import Route
from tests.benchmarks import household
from tests.soak.badinput import MOST_MEGABYTES, memory, salt_of
from tests.soak.goodrequests import ENVIRON, HELD, JSON, LIVE, POLICY, UNWAITED, Good, good_requests
from tests.soak.mutation import ODD, QUERY, Bad, mutated, queried, riches, with_value
from tests.soak.wires import NO_ANSWER, answered, broken, cut_short, huge, ordinary

from bursar.agent import app
from bursar.agent.batching.routes import CANCEL_BATCH, MOST_BYTES
from bursar.agent.settings import Settings, Tcp
from bursar.agent.spans import receiver
from bursar.policies import deferral

pytestmark = pytest.mark.xdist_group("badinput")

EXAMPLES = 200
HELD_SECONDS = 0.5
SLOW = (HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large)
TELEMETRY = {receiver.PATH, receiver.LOGS, receiver.METRICS}
UNDERSTOOD = {200, 201, 303, 400, 404, 413, 415, 429}

# Texts of hypothesis have no half signs unless they are asked for.
VALUES = st.one_of(
    st.sampled_from(ODD),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(), max_size=5), inner, max_size=3)
        ),
        max_leaves=5,
    ),
)
PAIRS = st.lists(st.tuples(st.sampled_from(QUERY), st.text(st.characters(), max_size=30)), max_size=4)
GOOD = good_requests("00" * 16)


@dataclass(frozen=True, slots=True)
class House:
    """A real agent, in a process of its own."""

    url: str
    folder: Path
    client: httpx.Client

    def status(self, bad: Bad) -> int:
        """What it answers; `NO_ANSWER` where it holds the request."""
        seconds = HELD_SECONDS if bad.path in HELD else 60.0
        try:
            asked = {"content": bad.body, "headers": bad.headers, "timeout": seconds}
            return self.client.request(bad.method, bad.path, **asked).status_code  # type: ignore[arg-type]
        except httpx.ReadTimeout:
            assert bad.path in HELD
            return NO_ANSWER

    def is_well(self) -> None:
        """It takes good requests, as it did before."""
        for good in good_requests(salt_of(self.url), mark=f"{random.random()}".replace(".", "")):
            if good.path not in UNWAITED:
                kind = {"content-type": good.kind}
                answer = self.client.request(good.method, good.path, content=good.body, headers=kind)
                missing = good.path == CANCEL_BATCH or bool(good.route)
                assert answer.status_code in (200, 201, 303, 429, 404 if missing else 200), (good.path, answer.text)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("badinput")
    with (
        household.agent(folder, policy=POLICY, environ=ENVIRON) as url,
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        made = House(url, folder, client)
        made.is_well()
        yield made
        made.is_well()
        most = memory(url)["VmHWM"]
        assert most <= MOST_MEGABYTES
    command = [sys.executable, "-m", "bursar.agent", "db", "check", "--db", str(folder / household.LEDGER)]
    told = subprocess.run(command, check=False, capture_output=True, text=True)
    assert told.returncode == 0, told.stdout + told.stderr


def test_every_route_is_covered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An endpoint that no good request is made for here fails: nobody would know what it does with bad ones."""
    served: list[Any] = []

    @asynccontextmanager
    async def answering(made: Starlette, *listeners: Any) -> AsyncGenerator[None]:
        served.extend(made.routes)
        yield

    async def start() -> None:
        async with app.running_agent(Settings(state_dir=tmp_path, db=tmp_path / "db", listen=(Tcp(port=0),))):
            pass

    monkeypatch.setattr(app, "answering", answering)
    asyncio.run(start())
    routes = {(route.path, method) for route in served for method in _methods(route)}
    assert routes == {(good.endpoint, good.method) for good in GOOD}


def _methods(route: Any) -> set[str]:
    assert isinstance(route, Route)  # a mounted application or a websocket needs a test of another kind
    return (route.methods or set()) - {"HEAD"}


@st.composite
def bad_requests(draw: st.DrawFn) -> Bad:
    """A good request with another value somewhere in it, or its bytes changed."""
    good = draw(st.sampled_from([good for good in GOOD if good.path != LIVE]))
    if good.method == "GET":
        return queried(good.path, draw(PAIRS))
    place = draw(st.integers(0, 2**16))
    if good.kind == JSON and draw(st.booleans()):
        return Bad(good.path, with_value(good.body, place, draw(VALUES)), {"content-type": JSON})
    return mutated(good.path, good.body, good.kind, random.Random(place))


@settings(max_examples=EXAMPLES, derandomize=True, deadline=None, suppress_health_check=SLOW)
@given(bad=bad_requests())
def test_what_is_changed(house: House, bad: Bad) -> None:
    """It is taken, or refused with a reason."""
    assert house.status(bad) in UNDERSTOOD | {NO_ANSWER}


def test_what_is_broken_on_the_wire(house: House) -> None:
    """Lengths, chunks, encodings, types and headers that are at odds: refused or passed over."""
    each = {(good.endpoint, good.method): good for good in GOOD}
    for good in each.values():
        seconds = HELD_SECONDS if good.path in HELD else 20
        for how, raw in cut_short(good):
            assert answered(house.url, [raw], seconds=seconds, ends=True) < 500, (good.path, how)
        if good.path in UNWAITED:
            continue
        for how, raw in broken(good):
            assert NO_ANSWER - (good.path in HELD) < answered(house.url, [raw], seconds=seconds) < 500, (good.path, how)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_hundred_megabytes(house: House, chunked: bool) -> None:
    """Refused while it is being sent."""
    for path in dict.fromkeys(good.path for good in GOOD if good.method == "POST"):
        status = answered(house.url, huge(Good(path), megabytes=100, chunked=chunked))
        assert status in (413, 415, 303, NO_ANSWER), path
    assert answered(house.url, [ordinary(Good("/healthz", method="GET"))]) == 200


def test_values_without_number(house: House) -> None:
    """Within an endpoint's limit of bytes there is no limit of memory but this one. Of a form a little is read."""
    told = [good.path for good in GOOD if good.method == "POST" and good.kind == JSON and good.path not in TELEMETRY]
    rich = [bad for path in dict.fromkeys(told) for bad in riches(path, "records", 2**22)][::6]
    for bad in [*rich, next(riches(deferral.PATH, "body", MOST_BYTES))]:
        assert house.status(bad) in (400, NO_ANSWER if bad.path in HELD else 400)


def test_an_endless_raise(house: House) -> None:
    """A budget raised beyond what the ledger holds would fail every process that asks for its money."""
    house.client.post("/overrides/end", json={"budget": "day"})
    raised = {"kind": "raise", "budget": "day", "seconds": 60, "amount": 2**63 - 1, "unit": "usd"}
    assert house.client.post("/overrides", json=raised).status_code == 400
    assert house.client.post("/overrides/end", json={"budget": "day"}).json() == []
