"""With which key are Anthropic's reports asked for, and where?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bursar.agent.settings import ANTHROPIC

KEY, OTHER_KEY = "ANTHROPIC_ADMIN_KEY", "ANTHROPIC_ADMIN_API_KEY"
"""Both names stand in Anthropic's pages; the first wins."""


class BillError(Exception):
    """The bill cannot be had; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Access:
    """Where the reports are asked for, and with which admin key."""

    base_url: str
    key: str = field(repr=False)


def access_of(environ: Mapping[str, str]) -> Access:
    """What the environment says. Raises `BillError` where it names no admin key."""
    key = environ.get(KEY) or environ.get(OTHER_KEY)
    if not key:
        raise BillError(
            f"no admin key: make one in the Claude Console (Settings, Admin keys; it begins with sk-ant-admin and an "
            f"organisation's admin may make it), and put it into {KEY}"
        )
    return Access((environ.get("ANTHROPIC_BASE_URL") or ANTHROPIC).rstrip("/"), key)
