"""Claims about what an agent told this machine last."""

from __future__ import annotations

from pathlib import Path

from bursar.agent.doctor.told import told_policy, told_snapshot
from bursar.policies.protocol import Snapshot


def test_a_snapshot_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    """A newer agent may have written it."""
    (tmp_path / "snapshot.json").write_text("{")
    assert told_snapshot(tmp_path) is None
    assert told_policy(None) is None
    assert told_policy(Snapshot("s", policy="version =")) is None
