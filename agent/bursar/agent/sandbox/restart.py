"""What stood when the sandbox was last there? Batches and the bill, from its chronicle."""

from collections.abc import Iterable

from bursar.agent.sandbox.batch import Batch, Result
from bursar.agent.sandbox.batch_scene import Outcome
from bursar.agent.sandbox.bill import Bill
from bursar.agent.sandbox.fields import Json

CHARGED = "charged"


def recall(records: Iterable[Json], bill: Bill) -> list[Batch]:
    """Put what was charged on the bill; returns the batches as they stood, the oldest first."""
    batches: dict[str, Batch] = {}
    for record in records:
        if record["what"] == CHARGED:
            bill.restore(record["model"], record["key"], record["nano"], record["requests"])
        else:
            _recall(batches, record)
    return list(batches.values())


def _recall(batches: dict[str, Batch], record: Json) -> None:
    if record["what"] == "created":
        batch = Batch.from_json(record["batch"])
        batches[batch.id] = batch
        return
    batch = batches[record["id"]]
    match record["what"]:
        case "processed":
            batch.results.append(Result.from_json(record["result"]))
        case "canceled":
            batch.cancel_initiated = record["at"]
        case "ended":
            batch.end(record["at"], Outcome(record["rest"]))
        case _:
            del batches[batch.id]
