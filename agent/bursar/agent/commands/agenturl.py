"""Where is the agent that commands speak to?"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from bursar.agent.commands import reach
from bursar.agent.settings import read_settings
from bursar.policies.agentaddress import HOST, PORT


def order(path: str, body: Mapping[str, object], *, seconds: float = reach.ORDER_SECONDS) -> Any:
    """Have the agent that the environment names do something; what it answers. Raises as `reach.order` does."""
    url = os.environ.get("BURSAR_AGENT") or f"http://{HOST}:{PORT}"
    known = read_settings(os.environ)
    return reach.order(url, path, body, token_file=known.token_file, ca_file=known.ca_file, seconds=seconds)
