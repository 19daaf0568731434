"""Claims about the forwarding sidecar: it enforces nothing, and says so; what it is given arrives, and counts once."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import httpx
import pytest
import yaml
from tests.agent.forward.received import SDK, call, export
from tests.examples.test_deploy import KUBERNETES, environ_of, load, mounts_of, options, settings
from tests.whole.scene import House, house, program, until

from bursar.agent.settings import Tcp
from bursar.policies.policyfile import parse_policy

SIDECAR = KUBERNETES / "sidecar"
POLICY = SIDECAR / "sidecar.toml"
KUBECTL = shutil.which("kubectl")
AGENT = "http://bursar-agent:4319"

CALLS = """
import anthropic
from bursar.instrumentation import BudgetExceeded, flush, instrument

instrument()
client, answered = anthropic.Anthropic(max_retries=0), 0
ask = {"model": "claude-haiku-5-5", "max_tokens": 100, "messages": [{"role": "user", "content": "Go on."}]}
for _ in range(9):
    try:
        client.messages.create(**ask)
        answered += 1
    except BudgetExceeded:
        break
assert flush(20)
print(answered)
"""


def parts() -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """The sidecar, the application, and the pod's volumes by name."""
    spec = load(SIDECAR / "application.yaml")["spec"]["template"]["spec"]
    (sidecar,), (application,) = spec["initContainers"], spec["containers"]
    return sidecar, application, {volume["name"]: volume for volume in spec["volumes"]}


def test_it_enforces_nothing() -> None:
    """No budget in its policy, which only observes; spans are passed on to the namespace's agent, with its token."""
    policy = parse_policy(POLICY.read_text(encoding="utf-8"), file=POLICY.name)
    assert (policy.budgets, policy.mode) == ((), "observe")
    (forward,) = policy.forwards
    assert (forward.kind, forward.url) == ("otlp", AGENT)
    sidecar, _, _ = parts()
    assert environ_of(sidecar)[forward.headers_env or ""] == "Authorization=Bearer%20$(NAMESPACE_AGENT_TOKEN)"
    (made,) = settings(sidecar["args"], environ_of(sidecar)).listen
    assert made == Tcp("127.0.0.1", 4319)
    assert sidecar["restartPolicy"] == "Always"
    assert "http://127.0.0.1:4319/readyz" in sidecar["startupProbe"]["exec"]["command"][-1]


def test_budgets_are_the_namespace_agents() -> None:
    """The application's guard asks that one; only its spans go by the sidecar. No container sees the other's state."""
    sidecar, application, volumes = parts()
    environ = environ_of(application)
    service = load(KUBERNETES / "service.yaml")
    assert (
        environ["BURSAR_AGENT"]
        == AGENT
        == f"http://{service['metadata']['name']}:{service['spec']['ports'][0]['port']}"
    )
    assert environ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] == "http://127.0.0.1:4319/v1/traces"
    shared = set(mounts_of(sidecar)) & set(mounts_of(application))
    assert shared == set(), "a journal taken up here would be in no ledger of the namespace"
    assert set(mounts_of(sidecar)) | set(mounts_of(application)) == set(volumes)
    for one in (sidecar, application):
        folder = PurePosixPath(environ_of(one)["BURSAR_STATE_DIR"])
        (name,) = [name for name, path in mounts_of(one).items() if PurePosixPath(path) == folder]
        assert "emptyDir" in volumes[name]
    policy = PurePosixPath(str(options(sidecar["args"])["policy"]))
    assert policy.is_relative_to(mounts_of(sidecar)["policy"])
    (made,) = load(SIDECAR / "kustomization.yaml")["configMapGenerator"]
    assert (made["name"], made["files"]) == (volumes["policy"]["configMap"]["name"], [policy.name])


def test_its_words_are_kept() -> None:
    """The manifest and the policy say what is enforced, where, and why not here."""
    said = " ".join(re.findall(r"^# ?(.*)$", (SIDECAR / "application.yaml").read_text(encoding="utf-8"), re.MULTILINE))
    assert "What the sidecar enforces: nothing." in said
    assert "Never point BURSAR_AGENT at the sidecar" in said
    assert "it must not see the application's state folder" in said
    assert "so the sidecar enforces nothing" in " ".join(POLICY.read_text(encoding="utf-8").replace("#", "").split())


@pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed")
def test_kustomize_agrees() -> None:
    """It renders both, with the policy's name where it is used."""
    assert KUBECTL is not None
    done = subprocess.run([KUBECTL, "kustomize", str(SIDECAR)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rendered = {one["kind"]: one for one in yaml.safe_load_all(done.stdout)}
    assert set(rendered) == {"ConfigMap", "Deployment"}
    volumes = rendered["Deployment"]["spec"]["template"]["spec"]["volumes"]
    (mounted,) = [volume["configMap"]["name"] for volume in volumes if "configMap" in volume]
    assert mounted == rendered["ConfigMap"]["metadata"]["name"]


def beside(folder: Path, namespace: House, token: str) -> House:
    """The sidecar of the example, which passes on to this agent instead."""
    folder.mkdir()
    policy = folder / "sidecar.toml"
    policy.write_text(POLICY.read_text(encoding="utf-8").replace(AGENT, namespace.agent_url))
    headers = {"NAMESPACE_AGENT_HEADERS": f"Authorization=Bearer%20{token}"}
    with house(folder) as made:
        return replace(made, environ=headers, arguments=("--policy", str(policy)))


def test_a_pod_of_it(tmp_path: Path) -> None:
    """
    The namespace's budget of four calls holds though spans go by the sidecar, and each call is counted once.

    A span of a program without Bursar, taken while the namespace's agent was away, arrives when it is back.
    """
    (tmp_path / "namespace").mkdir()
    token_file = tmp_path / "token"
    token_file.write_text("s3cret")
    with house(tmp_path / "namespace", limit="4 calls") as namespace:
        namespace.arguments += ("--token-file", str(token_file))
        sidecar = beside(tmp_path / "sidecar", namespace, "s3cret")
        with sidecar.agent():
            with namespace.agent():
                printed = namespace.run(
                    program(tmp_path, CALLS),
                    BURSAR_TOKEN_FILE=str(token_file),
                    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=f"{sidecar.agent_url}/v1/traces",
                )
                assert printed == "4\n"
                until(lambda: sidecar.total()["calls"] == 4, "the sidecar to have the spans")
            body = export((SDK, [call(1)])).SerializeToString()
            headers = {"content-type": "application/x-protobuf"}
            taken = httpx.post(f"{sidecar.agent_url}/v1/traces", content=body, headers=headers)
            assert taken.status_code == 200
            with namespace.agent():
                until(lambda: namespace.total()["charges"] == 5, "the span to be passed on")
        assert {row["basis"]: row["charges"] for row in namespace.by("basis")} == {"usage": 4, "span": 1}
        of_the_application = next(row for row in namespace.by("basis") if row["basis"] == "usage")
        assert of_the_application["nano_usd"] == namespace.bill["nano_usd"]
        assert sidecar.balances() == []
