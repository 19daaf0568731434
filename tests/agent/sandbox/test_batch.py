"""Claims about one batch as the diary keeps it. What it does with time is in test_batches.py."""

import json
import math

import pytest

from bursar.agent.sandbox.batch import Batch, Item, Result
from bursar.agent.sandbox.batch_scene import BatchScene, Fate, Outcome


@pytest.mark.parametrize(
    "scene",
    [
        BatchScene(0.5, None, {}),
        BatchScene(math.inf, 7, {"a": Fate.EXPIRED, "*": Fate.OVERLOADED}, {Fate.ERRORED: 30}, "s", 40),
    ],
)
def test_a_batch_is_what_it_was(scene: BatchScene) -> None:
    """Through JSON and back, with its scene."""
    batch = Batch("b", "k", "v", "beta", "uprof", (Item("a", {"model": "m", "x": [1.5, None]}),), scene, 60.25)
    assert Batch.from_json(json.loads(json.dumps(batch.to_json()))) == batch


def test_a_result_is_what_it_was() -> None:
    """The same."""
    result = Result("a", Outcome.ERRORED, {"error": {"type": "error"}})
    assert Result.from_json(json.loads(json.dumps(result.to_json()))) == result


def test_how_many_are_left() -> None:
    """All that have no result yet; none once it has ended."""
    batch = Batch("b", "k", "v", None, None, (Item("a", {}), Item("b", {})), BatchScene(0, None, {}), 0)
    batch.results.append(Result("a", Outcome.SUCCEEDED))
    assert batch.left == 1
    batch.end(5, Outcome.EXPIRED)
    assert (batch.left, batch.ended, [result.outcome.value for result in batch.results]) == (
        0,
        5,
        ["succeeded", "expired"],
    )
