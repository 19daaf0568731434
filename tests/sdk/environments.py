"""A virtual environment for one version of the SDK: made once, and anew when what belongs in it changes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
import venv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / ".venv" / "sdk"
SETTINGS = ("ANTHROPIC_", "AWS_", "BURSAR_", "OTEL_", "PYTEST_", "PYTHONPATH", "PYTHONWARNINGS")
"""What a developer may have set, and no test may see."""


class NotMade(Exception):  # noqa: N818 - reads as what it is where it is caught
    """An environment could not be made; the text says which, and what pip said."""


@dataclass(frozen=True)
class Recipe:
    """What belongs in an environment, Bursar itself as it is in this checkout aside."""

    name: str
    packages: tuple[str, ...]
    pins: tuple[str, ...]
    """Lines of a constraints file."""
    bursar: str = "."
    """Bursar with its extras."""

    def text(self) -> str:
        """All that decides what is installed."""
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        return json.dumps([self.packages, self.pins, self.bursar, project], indent=1)


def development() -> tuple[str, ...]:
    """What this project is developed with."""
    return tuple(tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]["dev"])


def own_pins(without: Iterable[str]) -> tuple[str, ...]:
    """The versions this release was tested with, but for these packages."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return tuple(line for line in lines if line.partition("==")[0] not in set(without))


def made(recipe: Recipe) -> Path:
    """
    The interpreter of the recipe's environment; made first unless it is there already.

    Raises `NotMade`.
    """
    folder = HOME / recipe.name
    python, stamp = folder / "bin" / "python", folder / "made-of.json"
    if stamp.exists() and stamp.read_text() == recipe.text():
        return python
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, symlinks=True)
    pins = folder / "pins.txt"
    pins.write_text("\n".join(recipe.pins) + "\n")
    install = ("install", "--quiet", "--constraint", str(pins))
    pip(*install, *recipe.packages, "hatchling", python=python)
    pip(*install, "--no-build-isolation", "--editable", recipe.bursar, python=python)
    stamp.write_text(recipe.text())
    return python


def pip(*arguments: str, python: Path | None = None) -> str:
    """
    What the pip of this interpreter prints, working for another one if that is given.

    Raises `NotMade` with the last lines of what it complained of.
    """
    target = () if python is None else ("--python", str(python))
    command = [sys.executable, "-m", "pip", *target, "--disable-pip-version-check", "--no-input", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        complaint = [line for line in done.stderr.splitlines() if not line.startswith("WARNING")]
        asked = " ".join(part for part in arguments if not part.startswith("-"))
        raise NotMade(f"pip {asked} ended with {done.returncode}:\n" + "\n".join(complaint[-8:]))
    return done.stdout


def newest(requirement: str) -> str:
    """The newest version of a package that pip is offered."""
    said = pip("install", "--dry-run", "--ignore-installed", "--no-deps", "--quiet", "--report", "-", requirement)
    return str(json.loads(said)["install"][0]["metadata"]["version"])


def clean_environ(changes: Mapping[str, str]) -> dict[str, str]:
    """The environment of a test run: this one without a developer's settings, with these changes."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(SETTINGS)}
    return {**kept, **changes}
