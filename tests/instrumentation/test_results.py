"""Results: each succeeded line is one charge, however the bytes come, and nothing else is.

Sonnet 5.5 at half price, in nano-dollars a token: 1,000 in, 50 read, 1,250 and 2,000 a write, 5,000 out. Searches are
10,000,000 each, in a batch too.
"""

from __future__ import annotations

import gzip
import json
import logging
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import TracerProvider
from tests.instrumentation.scene import MODEL, USAGE, message

from bursar.instrumentation import results as module
from bursar.instrumentation.context import Work
from bursar.instrumentation.quiet import forget_told
from bursar.instrumentation.results import Lines, ResultsWatcher, Source, charge_of, unbilled_of
from bursar.policies.charge import Basis, Charge
from bursar.policies.pricefile import shipped_book
from bursar.policies.usage import Usage

BATCH_NANO = 100 * 1_000 + 2_000 * 50 + 300 * 1_250 + 200 * 2_000 + 42 * 5_000 + 20_000_000
CREATED_NS = 1_795_348_800 * 10**9
"""2026-11-22T12:00:00Z."""
SOURCE = Source("msgbatch_1", Work("triage", {"tenant": "acme"}), None, CREATED_NS, shipped_book())
SMALL = {"input_tokens": 10, "output_tokens": 2}
SMALL_NANO = 10 * 1_000 + 2 * 5_000


def succeeded(number: int, usage: Any = SMALL, **changes: Any) -> dict[str, Any]:
    whole = message(id=f"msg_{number}", usage=usage, **changes)
    return {"custom_id": f"c{number}", "result": {"type": "succeeded", "message": whole}}


def other(number: int, kind: str) -> dict[str, Any]:
    return {"custom_id": f"c{number}", "result": {"type": kind, "error": {"type": "error"}}}


def encoded(*lines: Any) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


BODY = encoded(succeeded(1), other(2, "errored"), succeeded(3), other(4, "expired"), other(5, "canceled"), succeeded(6))


class Taker:
    """Takes each charge once, and remembers what it was told."""

    def __init__(self) -> None:
        self.charges: list[Charge] = []

    def __call__(self, charge: Charge) -> bool:
        if charge.attempt_id in self.ids:
            return False
        self.charges.append(charge)
        return True

    @property
    def ids(self) -> list[str]:
        return [charge.attempt_id for charge in self.charges]


def read(*chunks: bytes, encoding: str = "", source: Source = SOURCE, span: Any = None) -> Taker:
    taker = Taker()
    watcher = ResultsWatcher(source, taker, encoding, span)
    for chunk in chunks:
        watcher.chunk(chunk)
    watcher.end()
    return taker


def test_a_succeeded_result_is_charged_at_half_the_price() -> None:
    """With every class of tokens; to the batch's own work, on the day of its creation."""
    charge = charge_of(json.dumps(succeeded(1, USAGE)).encode(), SOURCE)
    assert charge is not None
    assert (charge.cost_nano_usd, charge.basis, charge.modifiers) == (BATCH_NANO, Basis.USAGE, ("batch",))
    assert sum(line.nano_usd for line in charge.lines) == BATCH_NANO
    assert charge.usage == Usage(100, 2_000, 300, 200, 42, 10, 2, 1)
    assert (charge.attempt_id, charge.response_id, charge.request_id) == ("batch-msg_1", "msg_1", None)
    assert (charge.call_id, charge.at_ns) == ("msgbatch_1/c1", CREATED_NS)
    assert (charge.route, charge.labels) == ("triage", {"tenant": "acme"})
    assert (charge.stop_reason, charge.duration_ns, charge.first_token_ns) == ("end_turn", None, None)
    assert (charge.model, charge.requested_model, charge.price_id) == (MODEL, MODEL, charge.lines[0].price_id)


@pytest.mark.parametrize(
    ("line", "cost", "basis"),
    [
        (succeeded(1), SMALL_NANO, Basis.USAGE),
        (succeeded(1, {**SMALL, "service_tier": "batch"}), SMALL_NANO, Basis.USAGE),
        (succeeded(1, {**SMALL, "service_tier": "batch", "inference_geo": "us"}), 22_000, Basis.USAGE),
        (succeeded(1, model="claude-nope"), None, Basis.UNKNOWN),
        (succeeded(1, None), None, Basis.UNKNOWN),
        (succeeded(1, content=[], stop_reason="refusal"), 0, Basis.USAGE),
    ],
)
def test_cost_of_a_result(line: dict[str, Any], cost: int | None, basis: Basis) -> None:
    """Once at half price, whether the usage says so or not; what cannot be known is unknown, and says why."""
    charge = charge_of(json.dumps(line).encode(), SOURCE)
    assert charge is not None
    assert (charge.cost_nano_usd, charge.basis) == (cost, basis)
    assert (charge.missing == ()) is (cost is not None)


@pytest.mark.parametrize(
    "line",
    [
        other(1, "errored"),
        other(1, "canceled"),
        other(1, "expired"),
        {"custom_id": "c1", "result": {"type": "errored", "message": message()}},
        {"custom_id": "c1", "result": {"type": "succeeded"}},
        {"custom_id": "c1", "result": {"type": "succeeded", "message": "msg_1"}},
        {"custom_id": "c1", "result": None},
        {"type": "succeeded", "message": message()},
        ["succeeded"],
        "succeeded",
        None,
    ],
)
def test_lines_without_a_charge(line: Any) -> None:
    """What did not succeed is not billed; what is no result is nothing."""
    assert charge_of(json.dumps(line).encode(), SOURCE) is None


def test_a_result_without_a_message_id_is_known_by_its_custom_id() -> None:
    """So that it counts once, too."""
    line = {"custom_id": "c9", "result": {"type": "succeeded", "message": message(id=None, usage=SMALL)}}
    charge = charge_of(json.dumps(line).encode(), SOURCE)
    assert charge is not None
    assert (charge.attempt_id, charge.response_id, charge.cost_nano_usd) == ("batch-msgbatch_1/c9", None, SMALL_NANO)


def test_the_price_of_the_day() -> None:
    """Sonnet 5.5 read its cache at 0.20 USD per MTok before 2026-10-07: 100 nano-dollars in a batch, then 50."""
    line = json.dumps(succeeded(1, {"cache_read_input_tokens": 10})).encode()
    costs: list[int | None] = []
    for day in (6, 7):
        at_ns = int(datetime(2026, 10, day, tzinfo=UTC).timestamp()) * 10**9
        charge = charge_of(line, Source("b", Work(), None, at_ns, shipped_book()))
        costs.append(charge.cost_nano_usd if charge else None)
    assert costs == [1_000, 500]


def test_what_was_asked_for() -> None:
    """The model that the whole batch asked for, where it is known."""
    source = Source("b", Work(), "claude-haiku-4-5", CREATED_NS, shipped_book())
    charge = charge_of(json.dumps(succeeded(1, model="claude-haiku-4-5-20251001")).encode(), source)
    assert charge is not None
    assert (charge.requested_model, charge.model) == ("claude-haiku-4-5", "claude-haiku-4-5-20251001")
    assert charge.cost_nano_usd == 10 * 500 + 2 * 2_500


def test_lone_surrogates_are_replaced() -> None:
    """They are JSON, but nothing that can be sent on."""
    text = json.dumps(succeeded(1, model="claude-\ud800", stop_reason="end\ud800"))
    charge = charge_of(text.replace("c1", "c\\ud800").replace("msg_1", "msg_\\ud800").encode(), SOURCE)
    assert charge is not None
    assert (charge.model, charge.call_id) == ("claude-?", "msgbatch_1/c?")
    assert (charge.response_id, charge.attempt_id) == ("msg_?", "batch-msg_?")
    assert charge.stop_reason == "end?"


@given(st.lists(st.integers(0, len(BODY)), max_size=12), st.sampled_from([b"\n", b"\r\n", b"\r", b"\n\n"]))
def test_any_chunking_gives_the_same_charges(cuts: list[int], newline: bytes) -> None:
    """Cut anywhere, in pieces of any size, under any line ends: three results, once each, in their order."""
    body = BODY.replace(b"\n", newline)
    places = sorted({0, len(body), *(cut * len(body) // len(BODY) for cut in cuts)})
    taker = read(*(body[start:end] for start, end in pairwise(places)))
    assert taker.ids == ["batch-msg_1", "batch-msg_3", "batch-msg_6"]
    assert [charge.cost_nano_usd for charge in taker.charges] == [SMALL_NANO] * 3


def test_a_charge_is_made_as_soon_as_its_line_is_here() -> None:
    """Not before its end, and not only at the end of the body."""
    taker = Taker()
    watcher = ResultsWatcher(SOURCE, taker, "")
    first = encoded(succeeded(1))
    watcher.chunk(first[:-1])
    assert taker.ids == []
    watcher.chunk(first[-1:])
    assert taker.ids == ["batch-msg_1"]


@pytest.mark.parametrize(
    ("body", "ids"),
    [
        (BODY[:-1], ["batch-msg_1", "batch-msg_3", "batch-msg_6"]),
        (BODY[:-2], ["batch-msg_1", "batch-msg_3"]),
        (BODY[: len(encoded(succeeded(1))) + 5], ["batch-msg_1"]),
        (b"", []),
        (b"\n \n", []),
        (encoded(succeeded(1)) + b"<html>\n" + encoded(succeeded(2)), ["batch-msg_1", "batch-msg_2"]),
        (b"\xff\xfe\n" + encoded(succeeded(2)), ["batch-msg_2"]),
        (b"[" * 100_000 + b"\n" + encoded(succeeded(2)), ["batch-msg_2"]),
        (encoded(succeeded(1), succeeded(2), succeeded(1)), ["batch-msg_1", "batch-msg_2"]),
    ],
)
def test_bodies_that_are_not_as_they_should_be(body: bytes, ids: list[str]) -> None:
    """A whole last line counts without its end, a cut one does not; what is no result is passed over."""
    forget_told()
    assert read(body).ids == ids


def test_gzip() -> None:
    """Undone as it comes, in pieces of 7 bytes."""
    packed = gzip.compress(BODY)
    pieces = [packed[start : start + 7] for start in range(0, len(packed), 7)]
    assert len(read(*pieces, encoding="gzip").ids) == 3


@pytest.mark.parametrize("encoding", ["gzip", "compress"])
def test_an_encoding_that_cannot_be_read(encoding: str, caplog: pytest.LogCaptureFixture) -> None:
    """Told once; nothing is charged and nothing raised."""
    forget_told()
    with caplog.at_level(logging.DEBUG, "bursar"):
        assert read(BODY, BODY, encoding=encoding).ids == []
    assert len(caplog.records) == 1


def test_a_taker_that_fails_fails_alone(caplog: pytest.LogCaptureFixture) -> None:
    """The application reads on, and so do we."""
    forget_told()
    taken: list[str] = []

    def take(charge: Charge) -> bool:
        taken.append(charge.attempt_id)
        if len(taken) == 1:
            raise OSError("full")
        return True

    ResultsWatcher(SOURCE, take, "").chunk(BODY)
    assert taken == ["batch-msg_1", "batch-msg_3", "batch-msg_6"]
    assert [record.message for record in caplog.records] == [
        "bursar could not charge a batch's result; the application goes on without it"
    ]


def test_no_more_than_one_line_is_held() -> None:
    """A line beyond the limit is given up while it comes, and told; the next one counts again."""
    forget_told()
    lines = Lines(most=10)
    assert list(lines.feed(b"0123456789\n0123")) == [b"0123456789"]
    assert list(lines.feed(b"456789x")) == []
    assert len(lines) == 0
    assert list(lines.feed(b"0123456789")) == []
    assert len(lines) == 0
    assert list(lines.feed(b"x\nnext\nla")) == [b"next"]
    assert list(lines.rest()) == [b"la"]
    assert list(lines.rest()) == []


def test_the_limit_is_more_than_any_result() -> None:
    """A result of megabytes is charged."""
    line = succeeded(1, content=[{"type": "text", "text": "x" * 5_000_000}])
    body = encoded(line)
    assert read(*(body[start : start + 65_536] for start in range(0, len(body), 65_536))).ids == ["batch-msg_1"]
    assert module.MOST_LINE_BYTES > 50_000_000


def test_the_span_tells_the_sum_of_what_was_read() -> None:
    """After each piece, since an early close ends the span before we can see it; never an attempt's id."""
    span: Any = TracerProvider().get_tracer("t").start_span("anthropic.messages.batches.results")
    watcher = ResultsWatcher(SOURCE, Taker(), "", span)
    watcher.chunk(encoded(succeeded(1)) + b'{"cus')
    first = dict(span.attributes)
    assert first["bursar.cost.nano_usd"] == SMALL_NANO
    watcher.chunk(b'tom_id": 1}\n' + encoded(succeeded(2, USAGE))[:-1])
    assert dict(span.attributes) == first
    watcher.end()
    told = dict(span.attributes)
    assert told == {
        "bursar.route": "triage",
        "bursar.cost.nano_usd": SMALL_NANO + BATCH_NANO,
        "bursar.cost.basis": "usage",
        "gen_ai.usage.cost": (SMALL_NANO + BATCH_NANO) / 10**9,
        "gen_ai.usage.input_tokens": 10 + 2_600,
        "gen_ai.usage.output_tokens": 2 + 42,
        "gen_ai.usage.cache_read.input_tokens": 2_000,
        "gen_ai.usage.cache_write.input_tokens": 500,
    }


def test_the_span_tells_of_what_is_unknown() -> None:
    """A sum that lacks a part is no cost."""
    span: Any = TracerProvider().get_tracer("t").start_span("anthropic.messages.batches.results")
    read(encoded(succeeded(1), succeeded(2, None)), span=span)
    told = dict(span.attributes)
    assert (told["bursar.cost.basis"], told["bursar.cost.missing"]) == ("unknown", ("no usage was seen",))
    assert "bursar.cost.nano_usd" not in told and "gen_ai.usage.cost" not in told
    assert told["gen_ai.usage.input_tokens"] == 10


def test_an_ended_span_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    """The SDK has ended it where the body is closed early; and a second reading charges and tells nothing."""
    span: Any = TracerProvider().get_tracer("t").start_span("anthropic.messages.batches.results")
    span.end()
    assert len(read(BODY, span=span).ids) == 3
    assert not caplog.records
    fresh: Any = TracerProvider().get_tracer("t").start_span("anthropic.messages.batches.results")
    watcher = ResultsWatcher(SOURCE, lambda charge: False, "", fresh)
    watcher.chunk(BODY)
    watcher.end()
    assert not fresh.attributes


OURS = "bursar-0123456789abcdef-1f-42-deadbeef"


def test_a_result_of_map_batch_is_charged_under_its_attempt() -> None:
    """So that it takes the place of what was journalled before the batch was created."""
    charge = charge_of(json.dumps({**succeeded(1), "custom_id": OURS}).encode(), SOURCE)
    assert charge is not None
    assert (charge.attempt_id, charge.call_id, charge.response_id) == (OURS, OURS, "msg_1")
    assert charge.cost_nano_usd == SMALL_NANO


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ({**other(1, "errored"), "custom_id": OURS}, (OURS, "batch errored")),
        ({**other(1, "expired"), "custom_id": OURS}, (OURS, "batch expired")),
        ({**other(1, "canceled"), "custom_id": OURS}, (OURS, "batch canceled")),
        ({**other(1, "paused"), "custom_id": OURS}, None),
        ({"custom_id": OURS, "result": {"type": "succeeded"}}, None),
        (other(1, "errored"), None),
        ({"custom_id": 7, "result": {"type": "errored"}}, None),
        ("errored", None),
    ],
)
def test_what_was_not_billed_is_free_again(line: Any, told: tuple[str, str] | None) -> None:
    """Of requests of `map_batch` alone: nobody else has set anything aside."""
    body = encoded(line)
    assert unbilled_of(body) == told
    freed: list[tuple[str, str]] = []
    ResultsWatcher(SOURCE, Taker(), "", free=lambda attempt_id, why: freed.append((attempt_id, why))).chunk(body)
    assert freed == ([] if told is None else [told])
