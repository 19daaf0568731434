"""Where is the agent that commands speak to?"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from bursar.agent.commands import reach
from bursar.agent.settings import HOST, PORT, read_settings


def order(path: str, body: Mapping[str, object], *, seconds: float = reach.ORDER_SECONDS) -> Any:
    """Have the agent that the environment names do something; what it answers. Raises as `reach.order` does."""
    url = os.environ.get("BURSAR_AGENT") or f"http://{HOST}:{PORT}"
    return reach.order(url, path, body, token_file=read_settings(os.environ).token_file, seconds=seconds)
