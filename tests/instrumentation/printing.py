"""A stage for fingerprints: an agent that wants them and keeps what it is told, on a real socket."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.instrumentation import putting

from bursar.instrumentation import instrument, uninstrument
from bursar.instrumentation.fingerprinting import Fingerprinting
from bursar.instrumentation.runtime import Runtime, current_runtime
from bursar.policies import fingerprint
from bursar.policies.fingerprint import Fingerprint, Prints
from bursar.policies.protocol import Snapshot

KEY = "5a" * 16


@dataclass
class Agent(putting.Agent):
    """What it was told, in order."""

    key: str = KEY
    messages: list[Prints] = field(default_factory=list[Prints])
    texts: list[str] = field(default_factory=list[str])
    hung: threading.Event | None = None
    """While it is given and not set, fingerprints are not answered."""

    @property
    def snapshot(self) -> Snapshot:
        return replace(super().snapshot, fingerprint_key=self.key)

    def told(self, path: str, value: Any) -> Any:
        if path != fingerprint.PATH:
            return super().told(path, value)
        if self.hung is not None:
            self.hung.wait(20)
        with self.changed:
            self.texts.append(json.dumps(value, ensure_ascii=False))
            self.messages.append(fingerprint.from_json(value))
            self.changed.notify_all()
        return {}

    @property
    def prints(self) -> list[Fingerprint]:
        """All of them."""
        return [one for message in self.messages for one in message.prints]


@contextmanager
def printing(folder: Path, agent: Agent, **environ: str) -> Generator[Runtime]:
    """This process instrumented, with that agent and its rules heard."""
    with putting.served_at(agent):
        instrument(environ={"BURSAR_STATE_DIR": str(folder), "BURSAR_AGENT": agent.url, **environ})
        try:
            runtime = current_runtime()
            assert runtime is not None
            runtime.guard.greet()
            yield runtime
        finally:
            uninstrument()


def prints_of(runtime: Runtime) -> Fingerprinting:
    """Where it takes fingerprints."""
    assert runtime.prints is not None
    return runtime.prints
