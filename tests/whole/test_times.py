"""How long calls took, and why tries failed, stands in the ledger: measured where they are made, and told once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.whole.scene import house, program, until

from bursar.agent.cli import cli
from bursar.agent.ledger import attempts, open_for_reading
from bursar.agent.ledger.life import Attempt

pytestmark = pytest.mark.xdist_group("times")
LATENCY_NS = 150 * 10**6
ASKING = """
import json, sys, anthropic
from bursar.instrumentation import flush, instrument, route

instrument()
client = anthropic.Anthropic(max_retries=1)
ask = {"model": "claude-haiku-5-5", "max_tokens": 50, "messages": [{"role": "user", "content": "Go on."}]}
slow = {"x-sandbox-latency-ms": "150"}
limited = {"x-sandbox-error": "429", "x-sandbox-error-times": "1", "x-sandbox-scene": "once"}
ids = [client.messages.create(**ask, extra_headers=slow).id]
with client.messages.stream(**ask, extra_headers=slow) as told:
    ids.append(told.get_final_message().id)
ids.append(client.messages.create(**ask, extra_headers={**slow, **limited}).id)
sys.stdout.write(json.dumps(ids))
flush(10)
"""


class Told:
    """What the ledger has of each call, by the name of its message, and what `bursar explain` says of it."""

    def __init__(self, db: Path, ids: list[str]) -> None:
        self.db, self.ids = db, ids
        with open_for_reading(db) as ledger:
            found = [attempts.with_response(ledger, name) for name in ids]
            calls = [attempts.of_call(ledger, one.call_id) for one in found if one is not None]
        self.message, self.stream, self.retried = calls

    def explained(self, one: Attempt) -> list[dict[str, Any]]:
        said = CliRunner().invoke(cli, ["explain", one.attempt_id, "--db", str(self.db), "--json"])
        found: list[dict[str, Any]] = json.loads(said.stdout)["attempts"]
        return found


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    folder = tmp_path_factory.mktemp("times")
    with house(folder) as home:
        with home.agent():
            ids = json.loads(home.run(program(folder, ASKING)))
            until(lambda: not any((folder / "state" / "journal").glob("*.jsonl")), "the agent to book everything")
        yield Told(home.db, ids)


def test_an_answer_takes_as_long_as_the_api_takes(told: Told) -> None:
    """At least; and what was no stream has no first token."""
    (one,) = told.message
    assert (one.duration_ns or 0) >= LATENCY_NS
    assert (one.first_token_ns, one.stop_reason) == (None, "max_tokens")


def test_a_stream_has_its_first_token_no_later_than_its_last(told: Told) -> None:
    """Both after the latency."""
    (one,) = told.stream
    assert LATENCY_NS <= (one.first_token_ns or 0) <= (one.duration_ns or 0)


def test_a_try_that_was_refused_stands_beside_the_one_that_was_answered(told: Told) -> None:
    """Released, with the status: it has no charge, and the ledger and `bursar explain` say why."""
    first, second = told.retried
    assert (first.state.value, first.failure, first.duration_ns) == ("released", "http 429", None)
    assert (second.state.value, second.failure) == ("settled", None)
    assert (second.duration_ns or 0) >= LATENCY_NS
    explained = told.explained(second)
    assert [each["failure"] for each in explained] == ["http 429", None]
    assert explained[1]["duration_ns"] == second.duration_ns
