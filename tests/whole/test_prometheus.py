"""A real Prometheus scrapes a real agent, with its token, and evaluates the rules of the examples."""

from __future__ import annotations

import json
import shutil
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from tests.whole.scene import free_port, house, program, until

EXAMPLES = Path(__file__).parents[2] / "examples" / "prometheus"
PROMETHEUS = shutil.which("prometheus")
ASK = {"model": "claude-opus-5-5", "max_tokens": 64, "messages": [{"role": "user", "content": "hello"}]}
DESK = f"""
import anthropic
from bursar.instrumentation import flush, instrument, route

instrument()
with route("support.triage"):
    anthropic.Anthropic().messages.create(**{ASK!r})
assert flush(30)
"""


def config(folder: Path, agent: str, token: Path) -> Path:
    """The example's, for this agent, and asking every second."""
    written: dict[str, Any] = yaml.safe_load((EXAMPLES / "prometheus.yml").read_text(encoding="utf-8"))
    written["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    (job,) = written["scrape_configs"]
    job["static_configs"][0]["targets"] = [agent]
    job["authorization"] = {"type": "Bearer", "credentials_file": str(token)}
    shutil.copy(EXAMPLES / "rules.yml", folder)
    path = folder / "prometheus.yml"
    path.write_text(json.dumps(written))  # which is YAML, too
    return path


@pytest.mark.skipif(PROMETHEUS is None, reason="prometheus is not installed (Debian's package prometheus brings it)")
def test_prometheus_scrapes_the_agent(tmp_path: Path) -> None:
    """It is up, and the spend that it has is the ledger's."""
    assert PROMETHEUS is not None
    token = tmp_path / "token"
    token.write_text("secret\n")
    with house(tmp_path, limit="10 USD") as home:
        home.environ["BURSAR_TOKEN_FILE"] = str(token)
        port = free_port()
        command = [PROMETHEUS, f"--config.file={config(tmp_path, home.agent_url.removeprefix('http://'), token)}"]
        command += [f"--storage.tsdb.path={tmp_path / 'tsdb'}", f"--web.listen-address=127.0.0.1:{port}"]
        with home.agent(), (tmp_path / "prometheus.log").open("wb") as log:
            home.run(program(tmp_path, DESK))
            process = subprocess.Popen(command, stderr=log)
            try:
                asked = partial(result, port)
                until(lambda: asked('bursar_spend_usd_total{route="support.triage"}') != [], "a scrape")
                (found,) = asked("bursar_spend_usd_total")
                assert found["metric"]["model"] == "claude-opus-5-5"
                assert round(float(found["value"][1]) * 10**9) == home.total()["nano_usd"]
                assert asked("up")[0]["value"][1] == "1"
                assert float(asked("bursar_budget_limit")[0]["value"][1]) == 10
            finally:
                process.terminate()
                process.wait(20)


def result(port: int, expression: str) -> list[dict[str, Any]]:
    """What an instant query finds; nothing while Prometheus is not there yet."""
    try:
        answer = httpx.get(f"http://127.0.0.1:{port}/api/v1/query", params={"query": expression}, timeout=5)
    except httpx.HTTPError:
        return []
    found: list[dict[str, Any]] = answer.json()["data"]["result"] if answer.is_success else []
    return found
