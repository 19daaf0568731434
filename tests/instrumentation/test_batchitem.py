"""One request of a batch: what it asks of the budgets, and the lines that its life leaves in the journal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.instrumentation.pricing import BODY
from tests.instrumentation.scene import client

from bursar.instrumentation.batchitem import BatchItem
from bursar.instrumentation.config import read_config
from bursar.instrumentation.context import Work
from bursar.instrumentation.errand import Admission
from bursar.instrumentation.itemid import item_id
from bursar.instrumentation.orders import order_of
from bursar.instrumentation.runtime import Runtime

WORK = Work("nightly", {"tenant": "acme"})


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    made = Runtime(read_config({"BURSAR_STATE_DIR": str(tmp_path)}), clock_ns=lambda: 7)
    yield made
    made.close()


def item(runtime: Runtime | None, **more: Any) -> BatchItem:
    return BatchItem(order_of(3, {**BODY, **more}), "0123456789abcdef-1", WORK, runtime)


def lines(runtime: Runtime) -> list[dict[str, Any]]:
    return [json.loads(line) for line in runtime.journal.path.read_bytes().splitlines()]


def test_its_id_is_its_attempts_and_tells_its_place() -> None:
    """The custom id under which it stands in its batch."""
    found = item_id(item(None).id)
    assert found is not None
    assert (found.attempt, found.place) == ("0123456789abcdef-1", 3)
    assert item(None).request["custom_id"] == item(None).id


def test_what_it_asks_of_the_budgets(runtime: Runtime) -> None:
    """As any call of its route and labels, but at the price of a batch."""
    asked = item(runtime).errand(runtime, client(), "beta-1")
    assert (asked.route, asked.labels, asked.batch, asked.betas, asked.at_ns) == (
        *("nightly", {"tenant": "acme"}, True),
        *("beta-1", 7),
    )


def test_it_leaves_with_what_the_money_bounds(runtime: Runtime) -> None:
    """`max_tokens` is lowered in the batch; the caller's own request stays as it was."""
    one = item(runtime, max_tokens=500)
    one.admitted(Admission(changes={"max_tokens": 100}))
    assert one.request["params"]["max_tokens"] == 100
    assert one.order.params["max_tokens"] == 500


def test_it_is_journalled_before_it_leaves(runtime: Runtime) -> None:
    """Under one id for call and attempt; what becomes of it is told by the same id."""
    one = item(runtime)
    one.errand(runtime, client(), None)
    one.admitted(Admission(bound_nano=9))
    one.sent()
    one.unknown()
    sent, unknown = lines(runtime)
    assert (sent["kind"], sent["attempt_id"], sent["call_id"], sent["bound_nano"]) == ("sent", one.id, one.id, 9)
    charge = unknown["charge"]
    assert (charge["attempt_id"], charge["basis"], charge["cost_nano_usd"]) == (one.id, "unknown", None)
    assert runtime.batches.arrived(one.id) is None


def test_what_was_never_sent_is_released(runtime: Runtime) -> None:
    """And nothing of it is remembered."""
    one = item(runtime)
    one.sent()
    one.never_sent("http 400")
    assert [(line["kind"], line.get("why")) for line in lines(runtime)] == [("sent", None), ("released", "http 400")]
    assert runtime.batches.arrived(one.id) is None


def test_without_a_runtime_nobody_is_told() -> None:
    """It goes all the same."""
    one = item(None)
    one.sent()
    one.unknown()
    one.never_sent("why")
