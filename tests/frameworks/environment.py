"""Where does a framework run? In a virtual environment of its own, made once, with Bursar from this checkout."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.frameworks.catalog import Framework

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".venv" / "frameworks"
_PIP = ("-m", "pip", "--disable-pip-version-check", "--quiet")
_VERSIONS = """
import json, sys
from importlib.metadata import version
print(json.dumps({name: version(name) for name in sys.argv[1:]}))
"""


def made(framework: Framework) -> Path:
    """The interpreter of a framework's environment; made first if there is none for them and this checkout."""
    folder = FOLDER / framework.name
    python = folder / "bin" / "python"
    stamp = folder / ".made"
    wanted = "\n".join((str(ROOT), *framework.requirements))
    if not stamp.exists() or stamp.read_text() != wanted:
        _call(sys.executable, "-m", "venv", "--clear", str(folder))
        _call(str(python), *_PIP, "install", "hatchling>=1.27")
        bursar = ("--no-build-isolation", "--editable", f"{ROOT}[otel]")
        _call(str(python), *_PIP, "install", *bursar, *framework.requirements)
        stamp.write_text(wanted)
    return python


def versions(python: Path, *names: str) -> dict[str, str]:
    """What is installed there, by distribution."""
    found: dict[str, str] = json.loads(_call(str(python), "-c", _VERSIONS, *names))
    return found


def _call(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\nended with {done.returncode}:\n{done.stderr[-4000:]}")
    return done.stdout
