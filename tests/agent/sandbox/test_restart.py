"""Claims about a sandbox that is killed and started again on the same file.

Each request asks for 6 tokens and is answered with 10: on Sonnet 5.5 at half price 6 * 1,000 + 10 * 5,000, in full
twice that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anthropic
import httpx2
import pytest

from bursar.agent.sandbox import create_app

if TYPE_CHECKING:
    from pathlib import Path

    from tests.agent.sandbox.conftest import Stage

SONNET = "claude-sonnet-5-5"
EACH = 6 * 1_000 + 10 * 5_000
TEN = {"x-sandbox-output-tokens": "10"}
PARAMS: Any = {"model": SONNET, "max_tokens": 100, "messages": [{"role": "user", "content": "hello"}]}


def create(stage: Stage, names: str, **staged: str) -> str:
    """The id of a batch with a request for each letter; underscores stand for hyphens."""
    headers = {f"x-sandbox-{name.replace('_', '-')}": value for name, value in staged.items()}
    requests: Any = [{"custom_id": name, "params": PARAMS} for name in names]
    return stage.client.messages.batches.create(requests=requests, extra_headers={**TEN, **headers}).id


def restart(stage: Stage, state: Path) -> None:
    """The next sandbox on the file, a second later."""
    stage.app.state.close()
    stage.clock.now += 1
    stage.restage(state=state)


@pytest.fixture
def state(tmp_path: Path, stage: Stage) -> Path:
    """The file of a sandbox on the stage."""
    stage.restage(state=tmp_path / "state")
    return tmp_path / "state"


def test_a_batch_goes_on(stage: Stage, state: Path) -> None:
    """Processed at one, two and three seconds, whichever sandbox is there; each request is billed once."""
    batch = create(stage, "abc", batch_ms="3000", batch_outcomes="b=expired")
    stage.clock.now += 1
    assert stage.bill["nano_usd"] == EACH
    restart(stage, state)
    assert stage.client.messages.batches.retrieve(batch).request_counts.processing == 3
    restart(stage, state)
    lines = {line.custom_id: line.result.type for line in stage.client.messages.batches.results(batch)}
    assert lines == {"a": "succeeded", "b": "expired", "c": "succeeded"}
    assert (stage.bill["nano_usd"], stage.bill["requests"]) == (2 * EACH, 2)


def test_what_was_told_stays(stage: Stage, state: Path) -> None:
    """Results to the letter, a cancellation, a deletion, the order of the list, the bill by model and key."""
    done, going, gone = create(stage, "ab"), create(stage, "cd", batch_ms="9000"), create(stage, "e")
    batches = stage.client.messages.batches
    batches.delete(batches.retrieve(gone).id)
    stage.client.messages.create(**PARAMS, extra_headers=TEN)
    with stage.client.messages.stream(**PARAMS, extra_headers=TEN) as stream:
        stream.until_done()
    before = ([line.to_json() for line in batches.results(done)], batches.cancel(going).to_json(), stage.bill)
    restart(stage, state)
    assert ([line.to_json() for line in batches.results(done)], batches.retrieve(going).to_json(), stage.bill) == before
    assert [each.id for each in batches.list()] == [going, done]
    assert stage.bill["nano_usd"] == 3 * EACH + 2 * 2 * EACH
    with pytest.raises(anthropic.NotFoundError):
        batches.retrieve(gone)
    stage.clock.now += 9
    assert batches.retrieve(going).request_counts.canceled == 1
    restart(stage, state)
    assert batches.retrieve(going).request_counts.canceled == 1


def test_killed_at_any_byte(stage: Stage, state: Path, tmp_path: Path) -> None:
    """Each request of a batch that the file knows is billed once in the end, wherever its last line was cut off."""
    create(stage, "abc", batch_ms="3000")
    for _ in range(4):
        stage.clock.now += 1
        assert stage.bill
    stage.app.state.close()
    text = state.read_bytes()
    ends = [place for place, byte in enumerate(text) if byte == ord("\n")]
    assert len(ends) == 4  # its creation, and one for each request
    for place in {cut for end in ends for cut in (end - 1, end, end + 1, end + 9)}:
        copy = tmp_path / f"at-{place}"
        copy.write_bytes(text[:place])
        app = create_app(clock=stage.clock, state=copy)
        created = place > ends[0]
        assert (app.state.bill.totals()["nano_usd"], app.state.bill.totals()["requests"]) == (
            (3 * EACH, 3) if created else (0, 0)
        )
        app.state.close()


def test_the_bill_of_a_stream_that_broke_off(stage: Stage, state: Path) -> None:
    """What was sent of it is on the bill after a restart too: 50 tokens of 100."""
    headers = {"x-sandbox-output-tokens": "100", "x-sandbox-error": "cut"}
    with (
        stage.client.messages.create(**PARAMS, stream=True, extra_headers=headers) as stream,
        pytest.raises((anthropic.APIConnectionError, httpx2.RemoteProtocolError)),
    ):
        list(stream)
    restart(stage, state)
    assert (stage.bill["nano_usd"], stage.bill["requests"]) == (6 * 2_000 + 50 * 10_000, 1)
