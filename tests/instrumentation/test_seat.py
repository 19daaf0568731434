"""The SDK is entered once, on every client whenever built, and left as it was."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import anthropic
import pytest
from anthropic import _base_client as base  # pyright: ignore[reportPrivateUsage] - what is patched is private
from tests.instrumentation.scene import ASK, answer, client

from bursar.instrumentation import instrument, uninstrument
from bursar.instrumentation.middleware import ENTRY, METER, SOLE
from bursar.instrumentation.testing import recorded


def passing(request: Any, call_next: Any) -> Any:
    return call_next(request)


def test_leaving_puts_everything_back(tmp_path: Path) -> None:
    """The patched methods, and the middleware of every client that was seated."""
    before = (base.SyncAPIClient.request, base.AsyncAPIClient.request)
    plain, own = client(), client(middleware=[passing])
    environ = {"BURSAR_STATE_DIR": str(tmp_path)}
    assert instrument(environ=environ)
    assert instrument(environ=environ), "again changes nothing"
    for each in (plain, own):
        each.messages.create(**ASK)
    assert [*plain.middleware] == [SOLE]
    assert [*own.middleware] == [ENTRY, passing, METER]
    uninstrument()
    assert (base.SyncAPIClient.request, base.AsyncAPIClient.request) == before
    assert [*plain.middleware] == []
    assert [*own.middleware] == [passing]
    plain.messages.create(**ASK)


def test_a_patch_above_ours_still_works_after_leaving(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody patched on top: our function stays reachable, and passes."""
    assert instrument(environ={"BURSAR_STATE_DIR": str(tmp_path)})
    ours: Any = base.SyncAPIClient.request

    def theirs(self: Any, *args: Any, **kwargs: Any) -> Any:
        return ours(self, *args, **kwargs)

    monkeypatch.setattr(base.SyncAPIClient, "request", theirs)
    uninstrument()
    assert client().messages.create(**ASK).id == "msg_1"
    monkeypatch.undo()
    assert instrument(environ={"BURSAR_STATE_DIR": str(tmp_path)})
    uninstrument()


def test_a_fresh_client_is_seated_once_under_a_race() -> None:
    """Eight threads use a new client at the same moment: each call is charged exactly once."""
    for _ in range(20):
        fresh = client(middleware=[passing])
        gate = threading.Barrier(8)

        def call(fresh: anthropic.Anthropic = fresh, gate: threading.Barrier = gate) -> None:
            gate.wait()
            fresh.messages.create(**ASK)

        with recorded() as seen:
            threads = [threading.Thread(target=call) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert len(seen.charges) == 8
        assert len(seen.spans) == 8


def test_the_application_s_idempotency_key_is_kept() -> None:
    """A key that the application gives is the one its middleware sees."""
    keys: list[str | None] = []

    def look(request: Any, call_next: Any) -> Any:
        keys.append(request.options.idempotency_key)
        return call_next(request)

    with recorded() as seen:
        client(answer, middleware=[look]).post(
            "/v1/messages", body=ASK, cast_to=anthropic.types.Message, options={"idempotency_key": "mine"}
        )
    assert keys == ["mine"]
    assert len(seen.charges) == 1


def test_disabled_means_untouched(tmp_path: Path) -> None:
    """BURSAR_DISABLED=1: nothing is patched."""
    before = base.SyncAPIClient.request
    assert not instrument(environ={"BURSAR_DISABLED": "1", "BURSAR_STATE_DIR": str(tmp_path)})
    assert base.SyncAPIClient.request is before
