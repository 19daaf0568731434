"""Where the SDK's own test-suite comes from, and what it runs on."""

from __future__ import annotations

import shutil
import tarfile
import tomllib
from pathlib import Path

from tests.sdk.environments import HOME, Recipe, pip

VERSION = "2.12.0"
NEEDS_A_SERVER = "tests/api_resources"
"""
One test per endpoint and way of calling, made from the API's description, that send to a mock server which answers by
that description (TEST_API_BASE_URL, or port 4010). The tests outside of this folder answer themselves.
"""
EXTRAS = "aiohttp,bedrock,mcp,vertex,webhooks"
CHECKERS = ("boto3-stubs", "pyright", "ruff")
"""What it is developed with and no test imports."""


def unpacked() -> Path:
    """
    The folder of the source distribution, fetched unless it is there.

    Raises `NotMade`.
    """
    folder = HOME / f"anthropic-{VERSION}"
    if not (folder / "pyproject.toml").exists():
        shutil.rmtree(folder, ignore_errors=True)
        HOME.mkdir(parents=True, exist_ok=True)
        wanted = f"anthropic=={VERSION}"
        pip("download", "--quiet", "--no-deps", "--no-binary", "anthropic", "--dest", str(HOME), wanted)
        with tarfile.open(HOME / f"anthropic-{VERSION}.tar.gz") as packed:
            packed.extractall(HOME, filter="data")
    return folder


def recipe(suite: Path) -> Recipe:
    """The released SDK, the tools of its tests, and Bursar, at the versions of the SDK's lock file."""
    groups = tomllib.loads((suite / "pyproject.toml").read_text())["dependency-groups"]
    tools = [tool for tool in groups["dev"] if not tool.startswith(CHECKERS)]
    locked = (suite / "requirements-dev.lock").read_text().splitlines()
    pins = tuple(line for line in locked if line[:1].isalpha())
    return Recipe(f"suite-{VERSION}", (f"anthropic[{EXTRAS}]=={VERSION}", *tools), pins)
