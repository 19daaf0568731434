"""A machine to be looked at, in tests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path

from bursar.agent.doctor.finding import Check, Finding, State, Surroundings
from bursar.agent.settings import read_settings
from bursar.policies.protocol import Snapshot

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
TODAY = date(2026, 11, 22)
OK, WARN, FAIL = State.OK, State.WARN, State.FAIL


def around(tmp_path: Path, environ: Mapping[str, str] | None = None, *, now: datetime = NOW) -> Surroundings:
    """A machine with nothing but this folder."""
    given = {"BURSAR_STATE_DIR": str(tmp_path / "state"), **(environ or {})}
    return Surroundings(read_settings(given), given, now)


def found(
    check: Check, tmp_path: Path, environ: Mapping[str, str] | None = None, *, now: datetime = NOW
) -> dict[str, Finding]:
    """What one check finds there, by what was looked at; of several the last."""
    return {finding.what: finding for finding in check(around(tmp_path, environ, now=now))}


def tell(tmp_path: Path, snapshot: Snapshot) -> None:
    """As an agent does that a process there heard."""
    (tmp_path / "state").mkdir(exist_ok=True)
    (tmp_path / "state" / "snapshot.json").write_text(json.dumps(asdict(snapshot)))
