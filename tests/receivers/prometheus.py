"""Does a real Prometheus, with the examples' configuration and rules, have the figures of a real agent, and alert?"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml
from tests.receivers.claim import Claim, until
from tests.whole.scene import House, free_port, house, program

EXAMPLES = Path(__file__).parents[2] / "examples" / "prometheus"
WAY = "Prometheus"
LIMIT_CALLS = 1
REFUSALS = 4
ASK = {"model": "claude-opus-5-5", "max_tokens": 64, "messages": [{"role": "user", "content": "hello"}]}
DESK = f"""
import time
import anthropic
from bursar.instrumentation import BudgetExceeded, flush, instrument, route

instrument()
refused = 0
with route("support.triage"):
    client = anthropic.Anthropic()
    client.messages.create(**{ASK!r})
    while refused < {REFUSALS}:
        assert flush(30)
        time.sleep(2)  # so that Prometheus sees the count grow
        try:
            client.messages.create(**{ASK!r})
        except BudgetExceeded:
            refused += 1
assert flush(30)
"""


class MissingError(Exception):
    """Prometheus is not installed; the text says what to do."""


@contextmanager
def scraping(folder: Path, target: str, *, token: Path | None = None) -> Generator[Server]:
    """A Prometheus on loopback that asks an agent every second. Raises `MissingError`."""
    binary = shutil.which("prometheus")
    if binary is None:
        raise MissingError("prometheus is not installed: apt-get install prometheus, and run this again")
    port = free_port()
    command = [binary, f"--config.file={_config(folder, target, token)}", f"--storage.tsdb.path={folder / 'tsdb'}"]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen([*command, f"--web.listen-address=127.0.0.1:{port}"], stderr=log)
        try:
            yield Server(f"http://127.0.0.1:{port}")
        finally:
            process.terminate()
            process.wait(20)


class Server:
    """A Prometheus, by its HTTP API."""

    def __init__(self, url: str) -> None:
        self._url = url

    def result(self, expression: str) -> list[dict[str, Any]]:
        """What an instant query finds; nothing while Prometheus is not there yet."""
        found: list[dict[str, Any]] = self._data("query", query=expression).get("result", [])
        return found

    def value(self, expression: str) -> float | None:
        """The one value that a query finds."""
        found = self.result(expression)
        return float(found[0]["value"][1]) if len(found) == 1 else None

    def rules(self) -> dict[str, str]:
        """By name, the health of every rule that is loaded."""
        return {
            rule["name"]: rule["health"] for group in self._data("rules").get("groups", []) for rule in group["rules"]
        }

    def firing(self) -> set[str]:
        """The alerts that fire."""
        alerts = self._data("alerts").get("alerts", [])
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}

    def _data(self, what: str, **asked: str) -> dict[str, Any]:
        try:
            answer = httpx.get(f"{self._url}/api/v1/{what}", params=asked, timeout=5)
        except httpx.HTTPError:
            return {}
        found: dict[str, Any] = answer.json()["data"] if answer.is_success else {}
        return found


def claims(folder: Path) -> Iterator[Claim]:
    """One call that is let go and some that a budget of one call refuses, and what Prometheus makes of them."""
    with (
        house(folder, limit=f"{LIMIT_CALLS} calls") as home,
        home.agent(),
        scraping(folder, home.agent_url.removeprefix("http://")) as server,
    ):
        home.run(program(folder, DESK))
        yield from _series(server, home)
        yield from _rules(server)


def _series(server: Server, home: House) -> Iterator[Claim]:
    spend = 'bursar_spend_usd_total{route="support.triage"}'
    until(lambda: server.value(spend) is not None)
    nano = round((server.value(spend) or 0) * 10**9)
    yield Claim(WAY, "the spend that it has is the ledger's", nano == home.total()["nano_usd"] > 0, nano)
    spent, limit = server.value("bursar_budget_spent"), server.value("bursar_budget_limit")
    yield Claim(WAY, "a budget's limit, and what is spent of it", (spent, limit) == (1, LIMIT_CALLS), (spent, limit))
    up = server.value("up")
    yield Claim(WAY, "the agent is up", up == 1, up)


def _rules(server: Server) -> Iterator[Claim]:
    written = yaml.safe_load((EXAMPLES / "rules.yml").read_text(encoding="utf-8"))
    names = {rule.get("alert") or rule["record"] for group in written["groups"] for rule in group["rules"]}
    until(lambda: set(server.rules().values()) == {"ok"})
    loaded = server.rules()
    found = f"{len(loaded)} of {len(names)}"
    yield Claim(
        WAY, "every rule is loaded, and none fails", set(loaded) == names and set(loaded.values()) == {"ok"}, found
    )
    until(lambda: "BursarCallsRefused" in server.firing())
    firing = server.firing()
    yield Claim(WAY, "the alert on refused calls fires", "BursarCallsRefused" in firing, ", ".join(sorted(firing)))
    until(lambda: bool(server.result("bursar:spend_usd:increase1h")))
    recorded = [one["metric"].get("route") for one in server.result("bursar:spend_usd:increase1h")]
    yield Claim(WAY, "an hour's spend is recorded", recorded == ["support.triage"], recorded)


def _config(folder: Path, target: str, token: Path | None) -> Path:
    """The example's, for this agent, and asking every second."""
    written: dict[str, Any] = yaml.safe_load((EXAMPLES / "prometheus.yml").read_text(encoding="utf-8"))
    written["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    (job,) = written["scrape_configs"]
    job["static_configs"][0]["targets"] = [target]
    if token is not None:
        job["authorization"] = {"type": "Bearer", "credentials_file": str(token)}
    shutil.copy(EXAMPLES / "rules.yml", folder)
    path = folder / "prometheus.yml"
    path.write_text(json.dumps(written))  # which is YAML, too
    return path
