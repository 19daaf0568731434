"""What an application says to Claude, and hears, stays in it: Bursar's files and spans have none of it."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from tests.whole.scene import FOR_EVER, house, until

from bursar.agent.ledger import open_for_reading, reports
from bursar.agent.sandbox import serving

SECRETIVE = Path(__file__).parent / "programs" / "secretive.py"
WORDS = ("zqsystem", "zqprompt", "zqtool", "zqargument", "zquser")


def test_no_word_of_a_call_is_recorded(tmp_path: Path) -> None:
    """Answered, streamed, failed, refused: not in a journal, the ledger, the rules kept, a log, or a span."""
    with receiver() as (endpoint, spans), house(tmp_path, limit="0.002 USD") as home:
        answers = json.loads(home.run(SECRETIVE, alone=True, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint))
        assert len(answers) == 2
        secrets = [text.encode() for text in (*WORDS, *answers)]
        (journal,) = (tmp_path / "state" / "journal").glob("*.jsonl")
        assert b"secretive" in journal.read_bytes()
        assert b"bursar.cost.nano_usd" in b"".join(spans)
        assert [word for word in secrets if word in b"".join(spans)] == []
        assert found(tmp_path, secrets) == []
        with home.agent():
            home.run(SECRETIVE)
            until(lambda: not any((tmp_path / "state" / "journal").glob("*.jsonl")), "the agent to book everything")
        assert {row["route"] for row in home.by("route")} == {"secretive"}
        with open_for_reading(home.db) as db:
            assert "block" in {row["action"] for row in reports.decisions(db, 0, FOR_EVER, limit=10)}
        assert found(tmp_path, secrets) == []


def found(folder: Path, secrets: list[bytes]) -> list[tuple[str, bytes]]:
    """Which file has which of the words."""
    files = {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert files
    return [(name, secret) for name, data in files.items() for secret in secrets if secret in data]


@contextmanager
def receiver() -> Generator[tuple[str, list[bytes]]]:
    """An endpoint for traces, and what it was sent."""
    spans: list[bytes] = []

    async def take(request: Request) -> Response:
        spans.append(await request.body())
        return Response(media_type="application/x-protobuf")

    with serving(Starlette(routes=[Route("/v1/traces", take, methods=["POST"])])) as url:
        yield url, spans
