"""What the demo is played on: the policy, the stand-in Slack, and the application."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

BUDGET = "support-day"
"""Whose spending is shown."""
LIMIT_NANO = 500_000_000
LIMIT = "0.50 USD"
TICKETS = 260
PEOPLE = 8
LATENCY_MS = 60
BATCH_SECONDS = 3.0
"""How long a Message Batch takes here."""

POLICY = """\
version = 1
mode = "enforce"
timezone = "{timezone}"
on_unreachable = "closed"
ladder = ["claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5"]

[[budget]]
name = "{budget}"
match = {{ route = "support.*" }}
limit = "{limit}"
every = "day"
watch = []
[budget.at]
"50%" = "alert slack"
"80%" = ["downgrade", "alert slack"]
"100%" = ["block", "alert slack"]

[[budget]]
name = "digests"
match = {{ route = "support.digest" }}
limit = "0.05 USD"
every = "day"
watch = []
[budget.at]
"0%" = "batch"

[[route]]
name = "support.triage"
find = {{ code = "support_desk:Desk.triage" }}

[[route]]
name = "support.answer"
find = {{ code = "support_desk:Desk.answer" }}

[[route]]
name = "support.follow_up"
find = {{ code = "support_desk:Desk.follow_up" }}

[[route]]
name = "support.digest"
find = {{ code = "support_desk:digest*" }}
may_wait = "1m"

[[channel]]
name = "slack"
kind = "slack"
url_env = "SLACK_WEBHOOK_URL"
"""


LEVER_TICKETS = 25
"""How many questions are answered twice: as they were, and as the first recommendation says."""
LEVER_LATENCY_MS = 5
LEVER_POLICY = """\
version = 1
mode = "enforce"
[[route]]
name = "support.answer"
find = { code = "support_desk:Desk.answer" }
"""


def policy(now: datetime) -> str:
    """The policy, in a time zone where it is about noon: the day's window must not turn while the demo runs."""
    offset = (12 - now.hour) % 24
    zone = f"Etc/GMT{-offset:+d}" if offset <= 12 else f"Etc/GMT+{24 - offset}"
    return POLICY.format(timezone="UTC" if offset == 0 else zone, budget=BUDGET, limit=LIMIT)


def application() -> Path:
    """The example that is run: packaged with a wheel, beside the sources in a checkout. Raises `FileNotFoundError`."""
    here = Path(__file__).resolve()
    for path in (here.with_name("support_desk.py"), here.parents[4] / "examples" / "support_desk.py"):
        if path.is_file():
            return path
    raise FileNotFoundError("the demo's application support_desk.py is neither packaged nor in examples/")


_STEP = re.compile(r"\d+%")


class Slack:
    """A stand-in for Slack's incoming webhooks: takes what Slack takes, keeps the texts."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._texts: list[str] = []

    def app(self) -> Starlette:
        """The webhook as an ASGI application."""
        return Starlette(routes=[Route("/hook", self._take, methods=["POST"])])

    def texts(self) -> list[str]:
        """What has arrived so far."""
        with self._lock:
            return list(self._texts)

    def by_step(self) -> dict[str, int]:
        """How many messages told of each step."""
        steps = (found[0] for text in self.texts() if (found := _STEP.search(text)))
        return dict(Counter(steps))

    async def _take(self, request: Request) -> PlainTextResponse:
        message: Mapping[str, object] = json.loads(await request.body())
        with self._lock:
            self._texts.append(str(message["text"]))
        return PlainTextResponse("ok")
