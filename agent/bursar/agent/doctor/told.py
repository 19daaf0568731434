"""What did an agent tell this machine last?"""

from __future__ import annotations

import json
from pathlib import Path

from bursar.policies.policy import Policy
from bursar.policies.policyfile import parse_policy
from bursar.policies.policyfile.mistakes import PolicyError
from bursar.policies.protocol import ProtocolError, Snapshot, snapshot_from_json


def told_snapshot(state_dir: Path) -> Snapshot | None:
    """What an agent told a process of this machine last; None where none is known or it cannot be read."""
    try:
        return snapshot_from_json(json.loads((state_dir / "snapshot.json").read_text()))
    except (OSError, ValueError, ProtocolError):
        return None


def told_policy(snapshot: Snapshot | None) -> Policy | None:
    """The policy of a snapshot; None where it has none or that cannot be read."""
    try:
        return (
            None if snapshot is None or snapshot.policy is None else parse_policy(snapshot.policy, file=snapshot.file)
        )
    except PolicyError:
        return None
