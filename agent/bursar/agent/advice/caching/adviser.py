"""Which cache marks would `bursar advise` have on a route? Asked in a process of its own, which may take its time."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from bursar.agent.advice.recommendation import Kind
from bursar.agent.ledger.markingbook import Pulled
from bursar.agent.settings import Settings
from bursar.policies.cachemarks import Mark, Marking

_log = logging.getLogger(__name__)

NICENESS = 10
"""The agent answers guards, who wait; advice has until the next look."""
_HOUR_NS = 3_600 * 10**9


class CommandAdviser:
    """Asks the command, as anybody would, with the agent's own files; one process at a time."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._process: subprocess.Popen[str] | None = None
        self._stopped = False

    def __call__(self, route: str, since_ns: int, until_ns: int) -> Sequence[Pulled]:
        """The marks that surely save something, by model; none where the command fails, which is logged."""
        hours = max((until_ns - since_ns) // _HOUR_NS, 1)
        command = [sys.executable, "-m", "bursar.agent", "advise", "--json", "--route", literally(route)]
        process = subprocess.Popen(
            [*command, "--since", f"{hours}h", "--db", str(self._settings.db)],
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._process = process
        with suppress(OSError):  # it has ended already, or may not be slowed down
            os.setpriority(os.PRIO_PROCESS, process.pid, NICENESS)
        if self._stopped:
            process.kill()
        said, wrong = process.communicate()
        self._process = None
        if process.returncode:
            if not self._stopped:
                _log.warning("no cache marks are advised for %s: %s", route, wrong.strip().splitlines()[-1:])
            return []
        return list(advised(json.loads(said), route, until_ns))

    def stop(self) -> None:
        """Ask no more, and end the process that is asked."""
        self._stopped = True
        process = self._process
        if process is not None:
            process.kill()

    def _environment(self) -> dict[str, str]:
        prices = self._settings.prices
        return {**self._settings.secrets, **({"BURSAR_PRICES": str(prices)} if prices is not None else {})}


def advised(document: Mapping[str, Any], route: str, at_ns: int) -> Iterator[Pulled]:
    """
    Those marks of `bursar advise --json` for exactly this route that save something, and cost nothing at the lower end.

    In a route's first days that end is at zero: the trial that follows knows better.
    """
    for told in document["recommendations"]:
        saving, evidence = told["saving_nano_usd_per_day"], told["evidence"]
        marks: Sequence[Mapping[str, str]] = evidence.get("marks") or ()
        if told["kind"] != Kind.CUT or told["route"] != route or not told["advised"] or told["dismissed"]:
            continue
        if marks and saving is not None and saving["from"] >= 0 < (saving["expected"] or 0):
            places = tuple(Mark(mark["place"], mark["ttl"]) for mark in marks)
            yield Pulled(Marking(told["id"], route, told["model"], places), evidence["predicted_share_saved"], at_ns)


def literally(route: str) -> str:
    """A glob that nothing but this name matches."""
    return "".join(f"[{sign}]" if sign in "*?[" else sign for sign in route)
