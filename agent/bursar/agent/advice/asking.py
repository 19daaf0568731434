"""What does `bursar advise` say of all routes? Asked in a process of its own, which may take its time."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from bursar.agent.settings import Settings

_log = logging.getLogger(__name__)

NICENESS = 10
"""The agent answers guards, who wait; advice has hours."""
MOST_SECONDS = 3_600
"""A process that takes longer hangs."""
_HOUR_NS = 3_600 * 10**9


class AdviceCommand:
    """Asks the command, as anybody would, with the agent's own files; one process at a time."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._process: subprocess.Popen[str] | None = None
        self._stopped = False

    def __call__(self, span_ns: int) -> Sequence[Mapping[str, Any]] | None:
        """
        All recommendations, dismissed ones too, of the calls of so many nanoseconds up to now, in whole hours.

        None where the command fails, which is logged.
        """
        command = [sys.executable, "-m", "bursar.agent", "advise", "--json", "--all"]
        process = subprocess.Popen(
            [*command, "--since", f"{max(span_ns // _HOUR_NS, 1)}h", "--db", str(self._settings.db)],
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._process = process
        with suppress(OSError):  # it has ended already, or may not be slowed down
            os.setpriority(os.PRIO_PROCESS, process.pid, NICENESS)
        said, wrong = self._heard(process)
        self._process = None
        if process.returncode:
            if not self._stopped:
                _log.warning("what could be saved is not worked out: %s", wrong.strip().splitlines()[-1:])
            return None
        found: Sequence[Mapping[str, Any]] = json.loads(said)["recommendations"]
        return found

    def stop(self) -> None:
        """Ask no more, and end the process that is asked."""
        self._stopped = True
        process = self._process
        if process is not None:
            process.kill()

    def _heard(self, process: subprocess.Popen[str]) -> tuple[str, str]:
        if self._stopped:
            process.kill()
        try:
            return process.communicate(timeout=MOST_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return "", f"no answer within {MOST_SECONDS} s"

    def _environment(self) -> dict[str, str]:
        prices = self._settings.prices
        return {**self._settings.secrets, **({"BURSAR_PRICES": str(prices)} if prices is not None else {})}
