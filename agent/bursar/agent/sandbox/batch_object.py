"""What do the API's MessageBatch and a line of its results look like?"""

import json
from datetime import UTC, datetime

from bursar.agent.sandbox.batch import Batch, Result
from bursar.agent.sandbox.fields import Json


def batch_object(batch: Batch, now: float, base_url: str) -> Json:
    """A MessageBatch as it stands at a time; `base_url` ends in a slash."""
    archived = batch.ended is not None and now >= batch.archived
    url = f"{base_url}v1/messages/batches/{batch.id}/results"
    return {
        "id": batch.id,
        "type": "message_batch",
        "processing_status": _status(batch),
        "request_counts": batch.counts(),
        "ended_at": _time(batch.ended),
        "created_at": _time(batch.created),
        "expires_at": _time(batch.expires),
        "archived_at": _time(batch.archived) if archived else None,
        "cancel_initiated_at": _time(batch.cancel_initiated),
        "results_url": url if batch.ended is not None and not archived else None,
    }


def page_object(batches: list[Json], *, has_more: bool) -> Json:
    """A page of a list."""
    ids = [batch["id"] for batch in batches]
    return {
        "data": batches,
        "has_more": has_more,
        "first_id": ids[0] if ids else None,
        "last_id": ids[-1] if ids else None,
    }


def result_line(result: Result) -> bytes:
    """One line of the results, newline included."""
    told = {"custom_id": result.custom_id, "result": {"type": result.outcome, **result.members}}
    return json.dumps(told, separators=(",", ":")).encode() + b"\n"


def _status(batch: Batch) -> str:
    if batch.ended is not None:
        return "ended"
    return "in_progress" if batch.cancel_initiated is None else "canceling"


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")
