"""Which Python, SDK, Bursar and extras are there, and do they fit?"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, requires, version

from bursar.agent.doctor.finding import Finding, State, Surroundings
from bursar.policies import protocol

OLDEST_PYTHON = (3, 11)
OLDEST_SDK, FIRST_UNKNOWN_SDK = (0, 108), (3, 0)
NEWEST_TRIED = (2, 14)
"""The newest release that the matrix ran on: see docs/sdk.md."""
_REQUIREMENT = re.compile(r"(?P<package>[A-Za-z0-9._-]+).*\bextra\s*==\s*['\"](?P<extra>[\w-]+)['\"]")
_BUYS = {
    "agent": "the agent and its commands",
    "otel": "spans and metrics are exported",
    "encrypt": "what is put off is kept encrypted",
    "schema": "answers are matched against a JSON Schema",
    "parquet": "`bursar export` writes Parquet",
}


def python(around: Surroundings) -> Iterator[Finding]:
    said = ".".join(map(str, around.python))
    if around.python < OLDEST_PYTHON:
        yield Finding("python", State.FAIL, said, "use Python 3.11 or newer")
    else:
        yield Finding("python", State.OK, f"{said}, {sys.executable}")


def sdk(_: Surroundings) -> Iterator[Finding]:
    try:
        found = version("anthropic")
    except PackageNotFoundError:
        yield Finding("anthropic", State.FAIL, "not installed in this Python", "pip install anthropic")
        return
    yield judge_sdk(found)


def judge_sdk(found: str) -> Finding:
    """Whether the instrumentation knows this version of the SDK."""
    numbers = tuple(int(part) for part in found.split(".")[:2] if part.isdigit())
    tried = ".".join(map(str, NEWEST_TRIED))
    if numbers < OLDEST_SDK:
        return Finding("anthropic", State.FAIL, f"{found} has no middleware to enter by", "upgrade to 0.108 or newer")
    if numbers >= FIRST_UNKNOWN_SDK:
        return Finding("anthropic", State.WARN, f"{found} is newer than what is supported", "upgrade Bursar")
    if numbers > NEWEST_TRIED:
        said = f"{found}, in the supported range, and newer than {tried}, the newest that was tried"
        return Finding("anthropic", State.OK, said)
    return Finding("anthropic", State.OK, f"{found}, supported (0.108 to 2.x, tried up to {tried})")


def bursar(_: Surroundings) -> Iterator[Finding]:
    yield Finding("bursar", State.OK, f"{version('bursar')}, protocol {protocol.VERSION}")


def extras(around: Surroundings) -> Iterator[Finding]:
    """Which extras are installed whole, in part, or not at all."""
    wanted: dict[str, list[str]] = {}
    for requirement in requires("bursar") or ():
        if (found := _REQUIREMENT.match(requirement)) is not None:
            wanted.setdefault(found["extra"], []).append(found["package"])
    missing = {extra: [name for name in names if not _installed(name)] for extra, names in wanted.items()}
    yield from judge_extras(wanted, missing, around.environ)


def judge_extras(
    wanted: Mapping[str, list[str]], missing: Mapping[str, list[str]], environ: Mapping[str, str]
) -> Iterator[Finding]:
    """Extras by the packages each asks for, and those of them that are not there."""
    there = [extra for extra in wanted if not missing[extra]]
    absent = [f"{extra} ({_BUYS[extra]})" if extra in _BUYS else extra for extra in wanted if missing[extra]]
    parts = [", ".join(there) or "none", *([f"not installed: {', '.join(absent)}"] if absent else [])]
    yield Finding("extras", State.OK, "; ".join(parts))
    for extra, names in missing.items():
        if names and len(names) < len(wanted[extra]):
            half = f"of {extra} {', '.join(names)} is missing"
            yield Finding("extras", State.WARN, half, f'pip install "bursar[{extra}]"')
    if missing.get("encrypt") and environ.get("BURSAR_DEFERRALS_KEY_FILE"):
        said = "BURSAR_DEFERRALS_KEY_FILE is set, and nothing here can encrypt"
        yield Finding("extras", State.FAIL, said, 'pip install "bursar[encrypt]"')


def _installed(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True
