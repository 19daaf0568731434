"""Metrics: what is counted of calls, under which names and attributes, and for which meter provider."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from opentelemetry import metrics as api
from opentelemetry.metrics import Histogram, Meter, NoOpMeterProvider, _internal
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider

from bursar.instrumentation import metrics
from bursar.instrumentation.metrics import Metrics, error_type
from bursar.instrumentation.quiet import forget_told
from bursar.instrumentation.sums import NOTES
from bursar.policies.charge import Basis, Charge
from bursar.policies.decision import Action, Candidate, Decision, Reason, Verdict
from bursar.policies.errors import BudgetExceeded, RefusalReason
from bursar.policies.usage import Usage

SONNET, HAIKU = "claude-sonnet-5-5", "claude-haiku-5-5"
USAGE = Usage(input=100, cache_read=2000, cache_write_5m=300, cache_write_1h=200, output=42, thinking=10)
SECOND = 1_000_000_000
CHAT = {"gen_ai.operation.name": "chat"}
MODELS = {
    "gen_ai.provider.name": "anthropic",
    "gen_ai.request.model": SONNET,
    "gen_ai.response.model": SONNET,
}
USED = {**CHAT, **MODELS, "gen_ai.token.modality": "unknown"}
TOKEN_BOUNDS = [4**n for n in range(14)]
SECOND_BOUNDS = [0.01 * 2**n for n in range(14)]

CHARGE = Charge("att_1", 22_370_000, USAGE, Basis.USAGE, SONNET, SONNET, "desk", labels={"tenant": "acme", "team": "a"})


@dataclass
class Call:
    """A call that took two seconds and a half, and half a second to its first event."""

    requested_model: str = SONNET
    provider: str = "anthropic"
    charges: list[Charge] = field(default_factory=lambda: [CHARGE])
    decision: Decision | None = None
    began_ns: int = 7 * SECOND
    first_chunk_ns: int | None = 7 * SECOND + SECOND // 2


END_NS = 9 * SECOND + SECOND // 2


class Told:
    """A meter provider and what was told to it."""

    def __init__(self) -> None:
        self.reader = InMemoryMetricReader()
        self.provider = MeterProvider([self.reader])

    def metrics(self) -> dict[str, Any]:
        data = self.reader.get_metrics_data()
        if data is None:
            return {}
        (resource,) = data.resource_metrics
        (scope,) = resource.scope_metrics
        assert scope.scope.name == "bursar.instrumentation"
        return {metric.name: metric for metric in scope.metrics}

    def sums(self, name: str) -> list[tuple[dict[str, Any], float]]:
        found = self.metrics()
        return [(dict(p.attributes), p.value) for p in found[name].data.data_points] if name in found else []

    def points(self, name: str) -> list[tuple[dict[str, Any], float, int, list[float]]]:
        points = self.metrics()[name].data.data_points
        return [(dict(p.attributes), p.sum, p.count, list(p.explicit_bounds)) for p in points]


@pytest.fixture
def told() -> Iterator[Told]:
    """A provider in force for the length of a test."""
    forget_told()
    made = Told()
    metrics.use(made.provider)
    yield made
    metrics.use(None)
    made.provider.shutdown()


def decision(action: Action, reason: Reason, budget: str = "", observed: Verdict | None = None) -> Decision:
    return Decision(Verdict(action, reason, SONNET, budget), Candidate(SONNET, 1, 1, 1), observed)


def test_a_charge_counts_its_tokens_by_class(told: Told) -> None:
    """By the conventions: input with what was cached, and parts of it beside."""
    count = Metrics({"cost", "new"})
    count.charged(CHARGE, "anthropic")
    count.charged(CHARGE, "anthropic")
    prefix = "gen_ai.client.inference.usage."
    assert told.sums(f"{prefix}input_tokens") == [(USED, 5200)]
    assert told.sums(f"{prefix}output_tokens") == [(USED, 84)]
    assert told.sums(f"{prefix}cache_read.input_tokens") == [(USED, 4000)]
    assert told.sums(f"{prefix}cache_write.input_tokens") == [(USED, 1000)]
    assert told.sums(f"{prefix}reasoning.output_tokens") == [(USED, 20)]
    assert told.metrics()[f"{prefix}input_tokens"].unit == "{token}"
    assert told.metrics()[f"{prefix}input_tokens"].data.is_monotonic


def test_classes_that_were_not_used_are_not_told(told: Told) -> None:
    """Nobody pays a backend for series of zeros."""
    Metrics({"cost", "new"}).charged(replace(CHARGE, usage=Usage(input=5, output=0)), "anthropic")
    usage = {name for name in told.metrics() if name.startswith("gen_ai.")}
    assert usage == {
        "gen_ai.client.inference.usage.input_tokens",
        "gen_ai.client.inference.usage.output_tokens",
    }
    assert told.sums("gen_ai.client.inference.usage.output_tokens") == [(USED, 0)]


def test_a_charge_counts_its_cost_exactly(told: Told) -> None:
    """In dollars, and in whole nano-dollars that no rounding touches; by model, route, and no label unasked."""
    count = Metrics({"cost"})
    for _ in range(3):
        count.charged(CHARGE, "aws.bedrock")
    by = {**MODELS, "gen_ai.provider.name": "aws.bedrock", "bursar.route": "desk"}
    assert told.sums("bursar.cost") == [(by, 0.06711)]
    assert told.sums("bursar.cost.nano_usd") == [(by, 67_110_000)]
    assert told.metrics()["bursar.cost"].unit == "USD"
    assert told.metrics().keys() == {"bursar.cost", "bursar.cost.nano_usd"}


def test_labels_that_are_chosen_tell_costs_apart(told: Told) -> None:
    """Those alone, and absent where a call has none."""
    count = Metrics({"cost"}, ("tenant",))
    count.charged(CHARGE, "anthropic")
    count.charged(replace(CHARGE, labels={"tenant": "beta"}), "anthropic")
    count.charged(replace(CHARGE, labels={}), "anthropic")
    by = {**MODELS, "bursar.route": "desk"}
    assert told.sums("bursar.cost.nano_usd") == [
        ({**by, "bursar.label.tenant": "acme"}, 22_370_000),
        ({**by, "bursar.label.tenant": "beta"}, 22_370_000),
        (by, 22_370_000),
    ]


def test_an_estimate_is_told_beside_the_cost_it_is_part_of(told: Told) -> None:
    """The rest is exact."""
    count = Metrics({"cost"})
    count.charged(CHARGE, "anthropic")
    count.charged(replace(CHARGE, cost_nano_usd=1_000_000, basis=Basis.ESTIMATE), "anthropic")
    by = {**MODELS, "bursar.route": "desk"}
    assert told.sums("bursar.cost.nano_usd") == [(by, 23_370_000)]
    assert told.sums("bursar.cost.estimated") == [(by, 0.001)]


def test_an_unknown_cost_is_counted_and_never_zero(told: Told) -> None:
    """There is no series of dollars for it at all."""
    Metrics({"cost"}).charged(replace(CHARGE, cost_nano_usd=None, basis=Basis.UNKNOWN), "anthropic")
    assert told.sums("bursar.charges.unknown") == [({**MODELS, "bursar.route": "desk"}, 1)]
    assert told.metrics().keys() == {"bursar.charges.unknown"}


def test_a_call_that_is_over_is_timed(told: Told) -> None:
    """From the request to the end, and to the first event, with the conventions' boundaries."""
    Metrics({"cost", "new"}).finished(Call(), None, END_NS)
    duration, first = "gen_ai.client.inference.duration", "gen_ai.client.inference.time_to_first_chunk"
    assert told.points(duration) == [({**CHAT, **MODELS}, 2.5, 1, SECOND_BOUNDS)]
    assert told.points(first) == [({**CHAT, **MODELS}, 0.5, 1, SECOND_BOUNDS)]
    assert told.metrics()[duration].unit == "s"
    assert told.metrics().keys() == {duration, first}


def test_a_call_without_a_stream_has_no_first_chunk(told: Told) -> None:
    """Its time is the duration."""
    Metrics({"cost", "new"}).finished(Call(first_chunk_ns=None), None, END_NS)
    assert told.metrics().keys() == {"gen_ai.client.inference.duration"}


def test_a_call_that_failed_says_how(told: Told) -> None:
    """With no model that answered; and its usage is a zero, as the conventions have it."""
    Metrics({"cost", "new"}).finished(Call(charges=[], first_chunk_ns=None), "overloaded_error", END_NS)
    asked = {"gen_ai.provider.name": "anthropic", "gen_ai.request.model": SONNET}
    ((by, _, count, _),) = told.points("gen_ai.client.inference.duration")
    assert (by, count) == ({**CHAT, **asked, "error.type": "overloaded_error"}, 1)
    usage = {**CHAT, **asked, "gen_ai.token.modality": "unknown"}
    assert told.sums("gen_ai.client.inference.usage.input_tokens") == [(usage, 0)]


def test_the_model_that_answered_is_the_last_one_charged(told: Told) -> None:
    """Of a fallback chain, or after a downgrade."""
    hops = [CHARGE, replace(CHARGE, model=HAIKU)]
    Metrics({"cost", "new"}).finished(Call(charges=hops), None, END_NS)
    ((by, *_),) = told.points("gen_ai.client.inference.duration")
    assert (by["gen_ai.request.model"], by["gen_ai.response.model"]) == (SONNET, HAIKU)


def test_token_histograms_are_told_when_asked_for(told: Told) -> None:
    """Of the call: all hops together."""
    Metrics({"cost", "operation"}).finished(Call(charges=[CHARGE, CHARGE]), None, END_NS)
    prefix = "gen_ai.client.inference.operation."
    assert told.points(f"{prefix}input_tokens") == [({**CHAT, **MODELS}, 5200, 1, TOKEN_BOUNDS)]
    assert told.points(f"{prefix}output_tokens") == [({**CHAT, **MODELS}, 84, 1, TOKEN_BOUNDS)]
    assert told.metrics().keys() == {f"{prefix}input_tokens", f"{prefix}output_tokens"}


@pytest.mark.parametrize(
    ("call", "failure"),
    [
        (Call(), "api_error"),
        (Call(charges=[replace(CHARGE, basis=Basis.ESTIMATE)]), None),
        (Call(charges=[]), None),
    ],
)
def test_token_histograms_leave_out_what_did_not_end_well(told: Told, call: Call, failure: str | None) -> None:
    """Their percentiles are of whole calls."""
    Metrics({"cost", "operation", "old"}).finished(call, failure, END_NS)
    assert not [name for name in told.metrics() if "token" in name]


def test_the_names_of_v1_41_are_told_when_asked_for(told: Told) -> None:
    """For dashboards that read them; tokens by type, and none of today's names."""
    count = Metrics({"cost", "old"})
    count.charged(CHARGE, "anthropic")
    count.finished(Call(), None, END_NS)
    by = {**CHAT, **MODELS}
    assert told.points("gen_ai.client.operation.duration") == [(by, 2.5, 1, SECOND_BOUNDS)]
    assert told.points("gen_ai.client.operation.time_to_first_chunk") == [(by, 0.5, 1, SECOND_BOUNDS)]
    assert told.points("gen_ai.client.token.usage") == [
        ({**by, "gen_ai.token.type": "input"}, 2600, 1, TOKEN_BOUNDS),
        ({**by, "gen_ai.token.type": "output"}, 42, 1, TOKEN_BOUNDS),
    ]
    assert not [name for name in told.metrics() if name.startswith("gen_ai.client.inference")]


def test_decisions_are_counted_once_a_call(told: Told) -> None:
    """By action, reason and budget; what a budget that observes would have done beside."""
    count = Metrics({"cost"})
    go = decision(Action.GO, Reason.WITHIN)
    down = decision(Action.DOWNGRADE, Reason.STEP, "day")
    would = decision(Action.GO, Reason.OBSERVED, observed=Verdict(Action.BLOCK, Reason.SPENT, SONNET, "day"))
    for made in (go, go, down, would, None):
        count.finished(Call(decision=made), None, END_NS)
    assert told.sums("bursar.decisions") == [
        ({"bursar.action": "go", "bursar.reason": "within"}, 2),
        ({"bursar.action": "downgrade", "bursar.reason": "step", "bursar.budget": "day"}, 1),
        ({"bursar.action": "go", "bursar.reason": "observed", "bursar.would_have": "block: day"}, 1),
    ]


def refusal() -> BudgetExceeded:
    return BudgetExceeded(
        reason=RefusalReason.SPENT,
        budget="day",
        balance="day:2026-11-22",
        window_start=None,
        window_end=None,
        limit=1,
        spent=1,
        held=0,
        needed=1,
        remedy="wait",
        retry_after=None,
        route="desk",
        model=SONNET,
        decision_id="call_1",
    )


def test_a_refusal_is_a_decision_and_the_only_one_of_its_call(told: Told) -> None:
    """Also where an attempt before it had been let go."""
    count = Metrics({"cost", "new"})
    count.refused(refusal())
    call = Call(charges=[], decision=decision(Action.GO, Reason.WITHIN), first_chunk_ns=None)
    count.finished(call, error_type(refusal()), END_NS)
    block = {"bursar.action": "block", "bursar.reason": "spent", "bursar.budget": "day"}
    assert told.sums("bursar.decisions") == [(block, 1)]
    ((by, *_),) = told.points("gen_ai.client.inference.duration")
    assert by["error.type"] == "BudgetExceeded"


class Slow:
    """A histogram that says in which thread it was recorded."""

    def __init__(self) -> None:
        self.recorded: list[tuple[float, int]] = []

    def record(self, amount: float, attributes: object) -> None:
        self.recorded.append((amount, threading.get_ident()))


@pytest.fixture
def slow(told: Told, monkeypatch: pytest.MonkeyPatch) -> Slow:
    made = Slow()
    meter = told.provider.get_meter("bursar.instrumentation")

    def create(*_: object, **__: object) -> Slow:
        return made

    monkeypatch.setattr(meter, "create_histogram", create)
    return made


def test_a_call_does_not_wait_until_it_is_counted(told: Told, slow: Slow) -> None:
    """It is counted by whoever collects, before anything is told; once, however often that is."""
    count = Metrics({"new"})
    count.finished(Call(), None, END_NS)
    assert slow.recorded == []
    collector = threading.Thread(target=told.metrics)
    collector.start()
    collector.join()
    told.metrics()
    assert [(amount, thread == threading.get_ident()) for amount, thread in slow.recorded] == [
        (2.5, False),
        (0.5, False),
    ]


def test_the_background_spares_the_collection_the_work(told: Told, slow: Slow) -> None:
    """And where nothing was told yet, there is nothing to count."""
    count = Metrics({"new"})
    count.count()
    count.finished(Call(), None, END_NS)
    count.count()
    assert [amount for amount, _ in slow.recorded] == [2.5, 0.5]


def test_a_provider_that_never_collects_holds_no_more_than_so_many_calls(told: Told, slow: Slow) -> None:
    """Then each call counts the oldest one that waits; none is lost."""
    count = Metrics({"new"})
    for seconds in range(NOTES + 3):
        count.finished(Call(first_chunk_ns=None), None, (7 + seconds) * SECOND)
    assert [amount for amount, _ in slow.recorded] == [0.0, 1.0, 2.0]
    told.metrics()
    assert [amount for amount, _ in slow.recorded] == [float(seconds) for seconds in range(NOTES + 3)]


def test_a_time_is_an_example_of_the_span_it_was_taken_in(told: Told) -> None:
    """Although it is recorded elsewhere, and later."""
    with TracerProvider().get_tracer("t").start_as_current_span("desk") as span:
        Metrics({"new"}).finished(Call(first_chunk_ns=None), None, END_NS)
    (point,) = told.metrics()["gen_ai.client.inference.duration"].data.data_points
    assert [example.trace_id for example in point.exemplars] == [span.get_span_context().trace_id]


def test_what_cannot_be_counted_keeps_nothing_else_from_it(
    told: Told, slow: Slow, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nor from being collected."""

    def fail(amount: float, attributes: object) -> None:
        raise OSError("no histograms today")

    monkeypatch.setattr(slow, "record", fail)
    count = Metrics({"new"})
    with caplog.at_level(logging.WARNING, "bursar"):
        for _ in range(2):
            count.finished(Call(), None, END_NS)
            count.charged(CHARGE, "anthropic")
        assert told.sums("bursar.cost.nano_usd") == [({**MODELS, "bursar.route": "desk"}, 44_740_000)]
    assert caplog.messages == ["bursar could not count a call in the metrics; the application goes on"]


def test_attribute_sets_are_bounded_and_that_is_said_once(told: Told, caplog: pytest.LogCaptureFixture) -> None:
    """Beyond them no money is lost: it is told under `other`, with the models as long as there is room for those."""
    count = Metrics({"cost"}, ("tenant",))
    with caplog.at_level(logging.WARNING, "bursar"):
        for n in range(2_000):
            made = replace(CHARGE, cost_nano_usd=1, labels={"tenant": f"t{n}"}, model=f"m{max(n - 1_500, 0)}")
            count.charged(made, "anthropic")
    found = told.sums("bursar.cost.nano_usd")
    assert len(found) == 1_000
    assert sum(amount for _, amount in found) == 2_000
    assert len([by for by, _ in found if by["bursar.label.tenant"] != "other"]) == 900
    coarse = [by for by, _ in found if by["bursar.label.tenant"] == "other" and by["bursar.route"] == "other"]
    assert len([by for by in coarse if by["gen_ai.response.model"] != "other"]) == 99
    last = {**dict.fromkeys(MODELS, "other"), "bursar.route": "other", "bursar.label.tenant": "other"}
    assert last in coarse
    (line,) = caplog.messages
    assert "900 sets of attributes" in line
    assert "BURSAR_METRIC_LABELS" in line


def test_long_values_are_cut(told: Told) -> None:
    """At 128 characters; those that are alike so far are one."""
    count = Metrics({"cost"})
    for end in "ab":
        count.charged(replace(CHARGE, cost_nano_usd=1, route="r" * 128 + end), "anthropic")
    ((by, amount),) = told.sums("bursar.cost.nano_usd")
    assert (by["bursar.route"], amount) == ("r" * 128, 2)


def test_metrics_that_are_off_register_nothing(told: Told) -> None:
    """Not a single instrument."""
    count = Metrics(frozenset())
    count.charged(CHARGE, "anthropic")
    count.finished(Call(), None, END_NS)
    count.refused(refusal())
    assert told.metrics() == {}


def test_switching_off_and_on_goes_on_with_the_same_sums(told: Told, caplog: pytest.LogCaptureFixture) -> None:
    """Each counter is registered once with a provider, and nothing is told twice."""
    for labels in ((), (), ("tenant",)):
        Metrics({"cost", "new"}, labels).charged(CHARGE, "anthropic")
    assert sum(amount for _, amount in told.sums("bursar.cost.nano_usd")) == 3 * 22_370_000
    assert told.sums("gen_ai.client.inference.usage.output_tokens") == [(USED, 126)]
    assert caplog.messages == []


def test_another_provider_starts_from_nothing(told: Told) -> None:
    """What was counted for the first stays with the first, and is there when it is in force again."""
    count = Metrics({"cost"})
    count.charged(CHARGE, "anthropic")
    other = Told()
    metrics.use(other.provider)
    count.charged(replace(CHARGE, cost_nano_usd=5), "anthropic")
    metrics.use(told.provider)
    count.charged(CHARGE, "anthropic")
    assert [amount for _, amount in other.sums("bursar.cost.nano_usd")] == [5]
    assert [amount for _, amount in told.sums("bursar.cost.nano_usd")] == [44_740_000]
    other.provider.shutdown()


def test_a_global_provider_counts_whenever_it_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also after the first calls, which nobody could be told of; and a test's next one takes its place."""
    monkeypatch.setattr(_internal, "_METER_PROVIDER", None)
    count = Metrics({"cost", "new"})
    count.charged(CHARGE, "anthropic")
    count.finished(Call(), None, END_NS)
    for _ in range(2):
        made = Told()
        monkeypatch.setattr(_internal, "_METER_PROVIDER", made.provider)
        count.charged(CHARGE, "anthropic")
        count.finished(Call(), None, END_NS)
        assert [amount for _, amount in made.sums("bursar.cost.nano_usd")] == [22_370_000]
        assert made.points("gen_ai.client.inference.duration")[0][2] == 1
        made.provider.shutdown()


def test_an_api_that_hides_its_global_provider_is_asked_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then it answers with what passes on to the real one."""
    made = Told()
    monkeypatch.setattr(metrics, "_api", object())
    monkeypatch.setattr(api, "get_meter_provider", lambda: made.provider)
    Metrics({"cost"}).charged(CHARGE, "anthropic")
    assert [amount for _, amount in made.sums("bursar.cost.nano_usd")] == [22_370_000]
    made.provider.shutdown()


def test_a_provider_that_does_nothing_is_told_nothing() -> None:
    """As with OTEL_SDK_DISABLED: no sums are kept for it."""
    metrics.use(NoOpMeterProvider())
    count = Metrics({"cost", "new"})
    count.charged(CHARGE, "anthropic")
    count.finished(Call(), None, END_NS)
    metrics.use(None)
    assert count._now() is None  # pyright: ignore[reportPrivateUsage]


def test_a_provider_that_cannot_be_hashed_is_told_too() -> None:
    """Logfire's is a dataclass, and compares by value."""

    class Compared(MeterProvider):
        def __eq__(self, other: object) -> bool:
            return isinstance(other, Compared)

    reader = InMemoryMetricReader()
    provider = Compared([reader])
    metrics.use(provider)
    Metrics({"cost"}).charged(CHARGE, "anthropic")
    metrics.use(None)
    assert reader.get_metrics_data() is not None
    provider.shutdown()


def test_of_many_providers_the_last_are_kept(told: Told) -> None:
    """A long suite of tests does not gather them all."""
    count = Metrics({"cost"})
    for _ in range(20):
        metrics.use(MeterProvider())
        count.charged(CHARGE, "anthropic")
    assert len(metrics._all_sums) == 8  # pyright: ignore[reportPrivateUsage]


def test_an_old_api_has_its_histograms_without_boundaries(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """A view of the application's may set them."""
    meter = told.provider.get_meter("bursar.instrumentation")
    create = meter.create_histogram

    def as_it_was(name: str, unit: str, description: str) -> Histogram:
        return create(name, unit, description)

    monkeypatch.setattr(meter, "create_histogram", as_it_was)
    Metrics({"cost", "new"}).finished(Call(), None, END_NS)
    ((_, total, count, bounds),) = told.points("gen_ai.client.inference.duration")
    assert (total, count) == (2.5, 1)
    assert bounds != SECOND_BOUNDS


def test_a_provider_that_fails_is_no_concern_of_the_call(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Told once, whatever was to be counted."""
    forget_told()
    broken = MeterProvider()

    def fail(_: str) -> Meter:
        raise OSError("no meters today")

    monkeypatch.setattr(broken, "get_meter", fail)
    metrics.use(broken)
    with caplog.at_level(logging.WARNING, "bursar"):
        Metrics({"new"}).charged(CHARGE, "anthropic")
        Metrics({"new"}).finished(Call(), None, END_NS)
        Metrics({"new"}).refused(refusal())
    metrics.use(None)
    assert caplog.messages == ["bursar could not count a call in the metrics; the application goes on"]


class APIConnectionError(Exception):
    """As the SDK names it."""


class APITimeoutError(APIConnectionError):
    """As the SDK names it."""


class APIStatusError(Exception):
    """As the SDK builds it."""

    def __init__(self, kind: str | None, status_code: int) -> None:
        self.type, self.status_code = kind, status_code


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (APITimeoutError(), "client_timeout_error"),
        (APIConnectionError(), "connection_error"),
        (APIStatusError("rate_limit_error", 429), "rate_limit_error"),
        (APIStatusError(None, 503), "503"),
        (APIStatusError("", 200), "APIStatusError"),
        (KeyError("x"), "KeyError"),
        (refusal(), "BudgetExceeded"),
    ],
)
def test_errors_have_the_words_of_the_sdk_s_own_span(error: BaseException, said: str) -> None:
    """So that a span and a metric of the same failure can be put beside each other."""
    assert error_type(error) == said


FORK = """
import json, os, threading
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from bursar.instrumentation import metrics, sums
from bursar.policies.charge import Basis, Charge
from bursar.policies.usage import Usage

reader = InMemoryMetricReader()
metrics.use(MeterProvider([reader]))
count = metrics.Metrics({"cost"})
charge = Charge("a", 5, Usage(), Basis.USAGE, "m", "m", "r")
count.charged(charge, "anthropic")
held, done = threading.Event(), threading.Event()

def hold():
    with sums._lock:
        held.set()
        done.wait()

threading.Thread(target=hold).start()
held.wait()
child = os.fork()
if child == 0:
    count.charged(charge, "anthropic")
    (metric,) = [m for m in reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics
                 if m.name == "bursar.cost.nano_usd"]
    print(json.dumps([p.value for p in metric.data.data_points]), flush=True)
    os._exit(0)
done.set()
os._exit(os.waitpid(child, 0)[1])
"""


def test_a_forked_child_counts_on() -> None:
    """Even when another thread of its parent was counting just then; from its parent's sums, as OpenTelemetry does."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORK], stdout=subprocess.PIPE, text=True, check=True, timeout=60
    )
    assert json.loads(done.stdout) == [10]
