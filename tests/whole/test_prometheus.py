"""A real Prometheus scrapes a real agent, with its token, and evaluates the rules of the examples."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.receivers.prometheus import ASK, scraping
from tests.whole.scene import house, program, until

PROMETHEUS = shutil.which("prometheus")
DESK = f"""
import anthropic
from bursar.instrumentation import flush, instrument, route

instrument()
with route("support.triage"):
    anthropic.Anthropic().messages.create(**{ASK!r})
assert flush(30)
"""


@pytest.mark.skipif(PROMETHEUS is None, reason="prometheus is not installed (Debian's package prometheus brings it)")
def test_prometheus_scrapes_the_agent(tmp_path: Path) -> None:
    """It is up, and the spend that it has is the ledger's."""
    token = tmp_path / "token"
    token.write_text("secret\n")
    with house(tmp_path, limit="10 USD") as home:
        home.environ["BURSAR_TOKEN_FILE"] = str(token)
        target = home.agent_url.removeprefix("http://")
        with home.agent(), scraping(tmp_path, target, token=token) as server:
            home.run(program(tmp_path, DESK))
            until(lambda: server.value('bursar_spend_usd_total{route="support.triage"}') is not None, "a scrape")
            (found,) = server.result("bursar_spend_usd_total")
            assert found["metric"]["model"] == "claude-opus-5-5"
            assert round(float(found["value"][1]) * 10**9) == home.total()["nano_usd"]
            assert server.value("up") == 1
            assert server.value("bursar_budget_limit") == 10
