"""Records: what one version writes every version reads, and a torn line is known for one."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bursar.policies.cascade import Stage
from bursar.policies.charge import Basis, Charge, Line
from bursar.policies.jsontext import Encoded
from bursar.policies.records import (
    Decided,
    Record,
    RecordError,
    Released,
    Sent,
    Settled,
    from_json,
    from_line,
    to_json,
    to_line,
)
from bursar.policies.usage import Usage

CHARGE = Charge(
    attempt_id="h-1",
    cost_nano_usd=1_234_567,
    usage=Usage(10, 20, 30, 40, 50, 5, 1, 2),
    basis=Basis.ESTIMATE,
    model="claude-haiku-5-5",
    requested_model="claude-opus-5-5",
    route="desk.triage",
    call_id="h-c1",
    labels={"tenant": "acme"},
    price_id="claude-haiku-5-5@launch",
    request_id="req_1",
    response_id="msg_1",
    at_ns=1_795_262_400_000_000_000,
    lines=(Line("input", 10, 100_000, 1_000, "claude-haiku-5-5", "claude-haiku-5-5@launch"),),
    missing=("output after the stream was broken off",),
    modifiers=("batch", "geo:us"),
    action="downgrade",
    reason="step",
    stage=Stage("h-k1", "strong", "claude-opus-5-5", "not_accepted"),
    told_nano_usd=1_200_000,
    duration_ns=1_200_000_000,
    first_token_ns=300_000_000,
    stop_reason="max_tokens",
)
SENT = Sent(
    attempt_id="h-1",
    call_id="h-c1",
    at_ns=5,
    route="r",
    model="m",
    requested_model="n",
    labels={"tenant": 'a|b,c=\n"é\u2028"'},
    balances=("b|w|", "c|w|tenant=a"),
    leased=("b|w|",),
    bound_nano=9,
    expected_nano=3,
    action="downgrade",
    reason="step",
    decision={"step": "80%", "balances": [{"spent": None}]},
    stage=Stage("h-k1", "cheap", "claude-opus-5-5"),
    marking="-r1",
    effort="low",
)
RECORDS: list[Record] = [
    SENT,
    Sent("h-2", "h-c2", 5, "r", "m", "m"),
    Sent("h-2", "h-c2", 5, "r", "m", "m", balances=()),
    Settled(CHARGE),
    Settled(CHARGE, final=False),
    Settled(Charge("h-3", None, Usage(), Basis.UNKNOWN, "m", "m", "r")),
    Released("h-1", "http 429"),
    Decided("h-c1", 5, "r", "m", "block", "spent", {"tenant": "acme"}, {"needed": 7}),
    Decided("h-c1", 5, "r", "m", "block", "spent", stage=Stage('k"1', "strong", "m", "max_tokens")),
]


@pytest.mark.parametrize("record", RECORDS)
def test_a_record_survives_its_line(record: Record) -> None:
    """Every kind with every field, as one line of ASCII."""
    line = to_line(record)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert line.isascii()
    assert from_line(line) == record
    assert from_json(to_json(record)) == record


# Few words, so that lines often have in common what is written only once.
WORDS = st.sampled_from(["", "m", "n", '"', "\\u0022", "é", "a|b,c"])
TUPLES = st.lists(WORDS, max_size=2).map(tuple)
LABELS = st.dictionaries(WORDS, WORDS, max_size=2)
LINES = st.builds(Line, WORDS, st.integers(0, 2), st.integers(0, 2), st.integers(0, 2), WORDS, WORDS)
CHARGES = st.builds(
    Charge,
    *(WORDS, st.none() | st.integers(0, 9), st.just(Usage(1, 2, 3)), st.sampled_from(Basis), WORDS, WORDS, WORDS),
    *(WORDS, LABELS, st.none() | WORDS, st.none() | WORDS, st.none() | WORDS, st.integers(0, 9)),
    *(st.lists(LINES, max_size=2).map(tuple), TUPLES, TUPLES, WORDS, WORDS),
    *(st.none(), *[st.none() | st.integers(1, 9)] * 3, st.none() | WORDS),
)
SENTS = st.builds(
    Sent,
    *(WORDS, WORDS, st.integers(0, 9), WORDS, WORDS, WORDS, LABELS, st.none() | TUPLES, TUPLES),
    *(st.none() | st.integers(0, 9), st.integers(0, 9), WORDS, WORDS),
    *(st.none() | st.integers(0, 9), st.integers(0, 9), LABELS),
)


@settings(deadline=None, max_examples=200)
@given(st.lists(SENTS | st.builds(Settled, CHARGES, st.booleans()), min_size=2, max_size=4))
def test_lines_share_only_what_their_records_share(records: list[Record]) -> None:
    """What most lines of a process have in common is written once; no line takes it from another that is not alike."""
    assert [from_line(to_line(record)) for record in records] == records


@pytest.mark.parametrize(
    ("record", "kind"),
    [(SENT, "sent"), (Settled(CHARGE), "settled"), (RECORDS[6], "released"), (RECORDS[7], "decided")],
)
def test_the_kind_is_named(record: Record, kind: str) -> None:
    """Under `kind`, beside the fields."""
    assert to_json(record)["kind"] == kind


def test_a_settled_record_goes_by_its_charge_s_attempt() -> None:
    """It has no id of its own."""
    assert Settled(CHARGE).attempt_id == "h-1"


@pytest.mark.parametrize("record", RECORDS)
def test_fields_of_a_later_version_are_passed_over(record: Record) -> None:
    """Anywhere in the record."""
    value = json.loads(to_line(record))
    value["later"] = {"x": 1}
    if "charge" in value:
        value["charge"]["later"] = 1
        value["charge"]["usage"]["later"] = 1
        for line in value["charge"]["lines"]:
            line["later"] = 1
    assert from_json(value) == record


def test_a_record_of_an_earlier_version_has_the_defaults() -> None:
    """What it does not say is what nobody knew."""
    sent = {"kind": "sent", "attempt_id": "a", "call_id": "c", "at_ns": 1, "route": "r", "model": "m"}
    assert from_json({**sent, "requested_model": "m"}) == Sent("a", "c", 1, "r", "m", "m")
    charge: dict[str, Any] = {"attempt_id": "a", "cost_nano_usd": 1, "usage": {}, "basis": "usage", "model": "m"}
    found = from_json({"kind": "settled", "charge": {**charge, "requested_model": "m", "route": "r"}})
    assert found == Settled(Charge("a", 1, Usage(), Basis.USAGE, "m", "m", "r"), final=True)


@pytest.mark.parametrize("told", [-5, 0, 2**70, "300", 1.5, True, [7]])
def test_a_time_that_cannot_be_true_costs_nothing_but_the_time(told: object) -> None:
    """The charge is taken all the same."""
    value = to_json(Settled(CHARGE))
    value["charge"] |= {"duration_ns": told, "first_token_ns": told}
    assert from_json(value) == Settled(replace(CHARGE, duration_ns=None, first_token_ns=None))


@pytest.mark.parametrize("told", [7, True, ["end_turn"], {}])
def test_a_stop_reason_that_is_no_text_costs_nothing_but_itself(told: object) -> None:
    """Likewise."""
    value = to_json(Settled(CHARGE))
    value["charge"]["stop_reason"] = told
    assert from_json(value) == Settled(replace(CHARGE, stop_reason=None))


def test_every_torn_line_is_known_for_one() -> None:
    """Cut anywhere, a line is no record; whole but for its newline it is."""
    line = to_line(SENT)
    for end in range(len(line) - 1):
        with pytest.raises(RecordError):
            from_line(line[:end])
    assert from_line(line[:-1]) == SENT


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[]", "expected a JSON object, got list"),
        (b"null", "expected a JSON object, got NoneType"),
        (b"{}", "no `kind` that this version knows"),
        (b'{"kind":"later"}', "no `kind` that this version knows"),
        (b'{"kind":["sent"]}', "no `kind` that this version knows"),
        (b'{"kind":"sent"}', "not a complete `sent` record"),
        (b'{"kind":"released"}', "not a complete `released` record"),
        (b'{"kind":"settled"}', "not a complete `settled` record"),
        (b'{"kind":"settled","charge":null}', "not a complete `settled` record"),
        (b'{"kind":"settled","charge":[]}', "not a complete `settled` record"),
        (b'{"kind":"settled","charge":"usage"}', "not a complete `settled` record"),
    ],
)
def test_what_is_no_record_is_said(line: bytes, message: str) -> None:
    """Never a KeyError or TypeError of the reader's own."""
    with pytest.raises(RecordError, match=message):
        from_line(line)


WRONG: list[dict[str, Any]] = [
    {"usage": None},
    {"basis": "guess"},
    {"lines": [5]},
    {"lines": 5},
    {"lines": [{}]},
    {"missing": 1},
    {"modifiers": 1},
]


@pytest.mark.parametrize("changes", WRONG)
def test_a_charge_of_wrong_shapes_is_no_record(changes: dict[str, Any]) -> None:
    """Each of its parts is looked at."""
    value = to_json(Settled(CHARGE))
    value["charge"] |= changes
    with pytest.raises(RecordError, match="not a complete `settled` record"):
        from_json(value)


@pytest.mark.parametrize("record", [SENT, Settled(CHARGE), Released("a"), RECORDS[-1]])
def test_every_field_is_written(record: Record) -> None:
    """Lines are written out by hand: a field that is added must be added there."""
    written = to_json(record)
    assert set(written) == {"kind", *(field.name for field in fields(record))}
    if isinstance(record, Settled):
        assert set(written["charge"]) == {field.name for field in fields(Charge)}
        assert set(written["charge"]["usage"]) == {field.name for field in fields(Usage)}
        assert list(written["charge"]["lines"][0]) == LINE_FIELDS


def test_what_has_no_place_in_a_cascade_and_no_marks_does_not_say_so() -> None:
    """Nearly every call has neither: its lines are as long as before."""
    plain_sent = to_line(replace(SENT, marking="", effort=""))
    assert (b"marking" in plain_sent, b"effort" in plain_sent) == (False, False)
    plain = replace(CHARGE, stage=None)
    for record in (replace(SENT, stage=None), Settled(plain), Decided("c", 1, "r", "m", "go", "within")):
        assert b"stage" not in to_line(record)
        assert from_json({**to_json(record), "stage": None}) == record


@pytest.mark.parametrize("stage", ["cheap", 5, ["k"], {"cascade": "k", "name": "cheap"}])
def test_a_place_of_another_shape_is_no_record(stage: object) -> None:
    """It has an id, a name and a model."""
    with pytest.raises(RecordError, match="not a complete `sent` record"):
        from_json({**to_json(SENT), "stage": stage})


LINE_FIELDS = ["label", "quantity", "pico_usd_each", "nano_usd", "model", "price_id"]


def test_ready_json_is_put_in_as_it_is() -> None:
    """Figures that stay the same from call to call are encoded once."""
    assert to_json(replace(SENT, decision=Encoded('{"step":"50%"}')))["decision"] == {"step": "50%"}
