"""Claims about the deployments: what they name is there, and the agent takes what they give it."""

from __future__ import annotations

import configparser
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import click
import pytest
import yaml
from tests.soak.badinput import MOST_MEGABYTES

from bursar.agent.cli import cli
from bursar.agent.serving.doorman import OPEN_PATHS
from bursar.agent.settings import Settings, SettingsError, Tcp, UnixSocket, read_settings
from bursar.policies.policyfile import parse_policy

DEPLOY = Path(__file__).parents[2] / "examples" / "deploy"
COMPOSE = DEPLOY / "compose"
KUBERNETES = DEPLOY / "kubernetes"
UNIT = DEPLOY / "systemd" / "bursar-agent.service"
ROOT = DEPLOY.parents[1]
KUBECTL, VERIFY = shutil.which("kubectl"), shutil.which("systemd-analyze")


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def options(arguments: Sequence[str]) -> dict[str, Any]:
    """What the real command makes of an agent's arguments; a mistake in them is an error here."""
    name, *rest = arguments
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    found, left, _ = command.make_parser(click.Context(command)).parse_args(args=list(rest))
    assert left == []
    return found


def settings(arguments: Sequence[str], environ: dict[str, str]) -> Settings:
    """As the agent would read them."""
    return read_settings(environ, listen=options(arguments)["listen"])


def within(path: str, folder: str) -> bool:
    return PurePosixPath(path).is_relative_to(folder)


def service(name: str) -> dict[str, Any]:
    found: dict[str, Any] = load(COMPOSE / "compose.yaml")["services"][name]
    return found


def container(file: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The one container of a manifest, and what it is part of."""
    spec = load(KUBERNETES / file)["spec"]
    (found,) = spec["template"]["spec"]["containers"]
    return found, spec


def environ_of(found: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one.get("value", "") for one in found["env"]}


def mounts_of(found: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["mountPath"] for one in found["volumeMounts"]}


@pytest.mark.parametrize("folder", [DEPLOY, KUBERNETES])
def test_the_policy_is_one(folder: Path) -> None:
    """It parses, and both copies are the same: kustomize takes no file from outside its folder."""
    text = (folder / "bursar.toml").read_text(encoding="utf-8")
    assert parse_policy(text, file="bursar.toml").mode == "observe"
    assert text == (DEPLOY / "bursar.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize("file", ["agent.yaml", None])
def test_an_agent_that_others_reach_has_a_token(file: str | None) -> None:
    """It listens at 4319 on every interface, and would not start without the token file that is mounted."""
    if file is None:
        agent = service("agent")
        arguments, environ = agent["command"], dict(agent["environment"])
        assert within(environ["BURSAR_TOKEN_FILE"], "/run/secrets")
        assert agent["secrets"] == [PurePosixPath(environ["BURSAR_TOKEN_FILE"]).name]
    else:
        found, _ = container(file)
        arguments, environ = found["args"], environ_of(found)
        assert within(environ["BURSAR_TOKEN_FILE"], mounts_of(found)["token"])
    made = settings(arguments, environ)
    assert (made.listen, made.local) == ((Tcp("0.0.0.0", 4319),), False)
    with pytest.raises(SettingsError, match="there is no token file"):
        settings(arguments, {name: value for name, value in environ.items() if name != "BURSAR_TOKEN_FILE"})


def test_compose_names_what_is_there() -> None:
    """Every volume, secret and service that is named is defined, and every file that is mounted exists."""
    document = load(COMPOSE / "compose.yaml")
    assert set(document["services"]) == {"agent", "application", "jaeger", "prometheus", "grafana"}
    for name, one in document["services"].items():
        assert set(one.get("secrets", [])) <= set(document["secrets"]), name
        assert set(one.get("depends_on", [])) <= set(document["services"]), name
        for mount in one.get("volumes", []):
            source = mount.split(":")[0]
            assert source in document["volumes"] or (COMPOSE / source).is_file(), mount
        assert all(port.startswith("127.0.0.1:") for port in one.get("ports", [])), name
    build = document["services"]["agent"]["build"]
    assert (COMPOSE / build["context"]).resolve() == ROOT
    assert (ROOT / build["dockerfile"]).is_file()


def test_the_image_has_what_it_runs() -> None:
    """The extras that it installs exist, and its state folder is the volume that compose mounts."""
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    extras = re.search(r"/src\[([a-z,]+)\]", text)
    declared = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert extras is not None
    assert all(re.search(rf"^{name} = \[", declared, re.MULTILINE) for name in extras[1].split(","))
    assert "ledger:/var/lib/bursar" in service("agent")["volumes"]
    assert "ENV BURSAR_STATE_DIR=/var/lib/bursar" in text


def test_the_application_talks_to_the_agent() -> None:
    """By the service's name and port, with the token, and with a journal that outlives it."""
    application = service("application")
    environ = application["environment"]
    assert environ["BURSAR_AGENT"] == "http://agent:4319"
    assert environ["BURSAR_TOKEN_FILE"] == service("agent")["environment"]["BURSAR_TOKEN_FILE"]
    assert "journal:/var/lib/bursar" in application["volumes"]
    assert application["command"][:2] == ["run", "--"]
    assert environ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"].startswith("http://jaeger:4318/")
    found, spec = container("application.yaml")
    agent_service = load(KUBERNETES / "service.yaml")
    port = agent_service["spec"]["ports"][0]["port"]
    assert environ_of(found)["BURSAR_AGENT"] == f"http://{agent_service['metadata']['name']}:{port}"
    assert within(environ_of(found)["BURSAR_TOKEN_FILE"], mounts_of(found)["token"])
    assert environ_of(found)["BURSAR_STATE_DIR"] == mounts_of(found)["journal"]
    assert spec["replicas"] == 2


def test_prometheus_in_compose() -> None:
    """It asks the agent with the token, and has the rules beside it; Grafana finds both."""
    (job,) = load(COMPOSE / "prometheus.yml")["scrape_configs"]
    assert job["static_configs"] == [{"targets": ["agent:4319"]}]
    secret = job["authorization"]["credentials_file"]
    assert PurePosixPath(secret).name in service("prometheus")["secrets"]
    assert load(COMPOSE / "prometheus.yml")["rule_files"] == ["rules.yml"]
    assert "../../prometheus/rules.yml:/etc/prometheus/rules.yml:ro" in service("prometheus")["volumes"]
    (provider,) = load(COMPOSE / "dashboards.yaml")["providers"]
    mounted = [volume.split(":")[1] for volume in service("grafana")["volumes"]]
    assert f"{provider['options']['path']}/bursar.json" in mounted
    assert load(COMPOSE / "grafana.yaml")["datasources"][0]["url"] == "http://prometheus:9090"


def test_there_is_one_agent_a_namespace() -> None:
    """One replica with one volume, reached under one name."""
    found, spec = container("agent.yaml")
    assert (spec["replicas"], spec["serviceName"]) == (1, load(KUBERNETES / "service.yaml")["metadata"]["name"])
    (claim,) = spec["volumeClaimTemplates"]
    assert claim["spec"]["accessModes"] == ["ReadWriteOncePod"]
    environ, mounts = environ_of(found), mounts_of(found)
    assert environ["BURSAR_STATE_DIR"] == mounts[claim["metadata"]["name"]]
    volumes = {volume["name"] for volume in spec["template"]["spec"]["volumes"]}
    assert set(mounts) == volumes | {claim["metadata"]["name"]}
    policy = options(found["args"])["policy"]
    assert within(str(policy), mounts["policy"])
    files = load(KUBERNETES / "kustomization.yaml")["configMapGenerator"][0]["files"]
    assert PurePosixPath(str(policy)).name in files


def test_probes_ask_what_needs_no_token() -> None:
    """Alive at /healthz, ready at /readyz, at the port where it listens; so does compose."""
    found, spec = container("agent.yaml")
    (port,) = found["ports"]
    (place,) = settings(found["args"], environ_of(found)).listen
    assert isinstance(place, Tcp)
    assert port["containerPort"] == place.port
    asked = {kind: found[kind]["httpGet"] for kind in ("livenessProbe", "readinessProbe")}
    assert {probe["path"] for probe in asked.values()} == set(OPEN_PATHS)
    assert {probe["port"] for probe in asked.values()} == {port["name"]}
    assert load(KUBERNETES / "service.yaml")["spec"]["ports"][0]["targetPort"] == port["name"]
    labels = spec["template"]["metadata"]["labels"]
    assert load(KUBERNETES / "service.yaml")["spec"]["selector"].items() <= labels.items()
    assert spec["template"]["metadata"]["annotations"]["prometheus.io/port"] == str(port["containerPort"])
    assert any("http://127.0.0.1:4319/readyz" in part for part in service("agent")["healthcheck"]["test"])


@pytest.mark.parametrize("file", ["agent.yaml", "sidecar/application.yaml"])
def test_bad_input_ends_no_pod(file: str) -> None:
    """An agent may have what the soak on bad input allows it, before the cluster kills it."""
    (megabytes,) = re.findall(r"limits:\n +memory: (\d+)Mi", (KUBERNETES / file).read_text(encoding="utf-8"))
    assert int(megabytes) > MOST_MEGABYTES


def test_the_token_is_the_one_that_is_made() -> None:
    """Both manifests mount the secret, and read the key, that the comment makes; none holds a token."""
    made = re.search(
        r"create secret generic (\S+) --from-literal=(\w+)=", (KUBERNETES / "kustomization.yaml").read_text()
    )
    assert made is not None
    for file in ("agent.yaml", "application.yaml"):
        found, spec = container(file)
        (secret,) = [v["secret"]["secretName"] for v in spec["template"]["spec"]["volumes"] if "secret" in v]
        assert (secret, PurePosixPath(environ_of(found)["BURSAR_TOKEN_FILE"]).name) == (made[1], made[2])
    kinds = [load(KUBERNETES / name)["kind"] for name in load(KUBERNETES / "kustomization.yaml")["resources"]]
    assert kinds == ["StatefulSet", "Service", "Deployment"]


def unit() -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(UNIT.read_text(encoding="utf-8"))
    return parser


def test_the_unit() -> None:
    """Its arguments are the agent's, it listens on this machine alone, and its files are where systemd makes room."""
    section = unit()["Service"]
    _, *arguments = shlex.split(section["ExecStart"])
    name, _, folder = section["Environment"].partition("=")
    assert name == "BURSAR_STATE_DIR"
    assert folder == f"/var/lib/{section['StateDirectory']}"
    made = settings(arguments, {name: folder})
    assert (made.local, str(made.db)) == (True, f"{folder}/bursar.sqlite")
    socket_file = Path("/run") / section["RuntimeDirectory"] / "agent.sock"
    assert made.listen == (UnixSocket(socket_file), Tcp("127.0.0.1", 4319))
    assert f"BURSAR_AGENT=unix:{socket_file}" in UNIT.read_text(encoding="utf-8")
    assert section["RuntimeDirectoryMode"] == "0750", "its user, and the group of the applications"
    assert section["RestartPreventExitStatus"] == "3"


@pytest.mark.skipif(VERIFY is None, reason="systemd-analyze is not installed")
def test_systemd_agrees(tmp_path: Path) -> None:
    """It finds nothing wrong, but that /opt/bursar is not here: that path is put right for it."""
    assert VERIFY is not None
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text(encoding="utf-8").replace("/opt/bursar/bin/bursar", sys.executable))
    done = subprocess.run([VERIFY, "verify", "--man=no", str(copy)], capture_output=True, text=True, check=False)
    about = [line for line in done.stderr.splitlines() if UNIT.name in line]
    assert about == []


@pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed")
def test_kustomize_agrees() -> None:
    """It renders all manifests, with the policy's name wherever it is used."""
    assert KUBECTL is not None
    done = subprocess.run([KUBECTL, "kustomize", str(KUBERNETES)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rendered = list(yaml.safe_load_all(done.stdout))
    named = {one["kind"]: one["metadata"]["name"] for one in rendered}
    assert set(named) == {"ConfigMap", "StatefulSet", "Service", "Deployment"}
    (agent,) = [one for one in rendered if one["kind"] == "StatefulSet"]
    mounted = [v["configMap"]["name"] for v in agent["spec"]["template"]["spec"]["volumes"] if "configMap" in v]
    assert mounted == [named["ConfigMap"]]
