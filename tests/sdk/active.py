"""
Puts Bursar on every call of a test-suite that knows nothing of it, and counts what it charged.

A pytest plugin of its own (`-p active`, with this folder on the path). BURSAR_ACTIVE names the folder of the journals,
where each process leaves the number of its charges; every other variable of Bursar is read as in an application.
"""

from __future__ import annotations

import os
from pathlib import Path

from bursar.instrumentation import Charge, instrument, runtime

VARIABLE = "BURSAR_ACTIVE"


def pytest_configure() -> None:
    folder = Path(os.environ[VARIABLE])
    state = folder / f"state-{os.getpid()}"
    assert instrument(environ={**os.environ, "BURSAR_STATE_DIR": str(state)}), "Bursar would not go in"
    present = runtime.current_runtime()
    assert present is not None
    present.observers.append(Counter(folder / f"charges-{os.getpid()}"))


class Counter:
    """Leaves a byte for each charge, so that a process that dies has told what it saw."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self, charge: Charge) -> None:
        with self._path.open("ab") as file:
            file.write(b".")


def charges(folder: Path) -> int:
    """How many charges were made by all processes of a run."""
    return sum(path.stat().st_size for path in folder.glob("charges-*"))
