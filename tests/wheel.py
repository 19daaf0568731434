"""The built wheel, installed without extras in a clean environment: instruments, and brings no daemon dependency."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
DAEMON = (
    "prometheus_client",
    "apscheduler",
    "click",
    "rich",
    "sqlite_utils",
    "starlette",
    "uvicorn",
    "platformdirs",
    "httpx",
    "pyarrow",
)
PROBE = f"""
import importlib.util
import bursar.instrumentation as guest
assert guest.instrument(environ={{"BURSAR_STATE_DIR": "state"}})
guest.uninstrument()
brought = [name for name in {DAEMON!r} if importlib.util.find_spec(name)]
assert not brought, f"the wheel without extras brings {{brought}}"
import bursar.policies.shipped
assert "claude-opus-5-5" in bursar.policies.shipped.read("prices.toml")
"""
EXTRA = 'pip install "bursar[agent]"'


def run(*command: str | Path, cwd: Path, expect: int = 0) -> str:
    """Run a command quietly; say all it printed if it ends otherwise than expected."""
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode != expect:
        sys.exit(f"{command[0]} ended with {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def main() -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
        (wheel,) = folder.glob("*.whl")
        venv.create(folder / "clean", with_pip=True)
        python = folder / "clean" / "bin" / "python"
        constraints = ROOT / "constraints.txt"
        run(python, "-m", "pip", "install", "--quiet", "--constraint", constraints, wheel, cwd=folder)
        run(python, "-W", "error", "-c", PROBE, cwd=folder)
        said = run(python.parent / "bursar", "report", cwd=folder, expect=3)
        if EXTRA not in said or len(said.strip().splitlines()) != 1:
            sys.exit(f"bursar without its extra must say one sentence naming {EXTRA}, and said: {said}")
    sys.stdout.write("wheel: builds, installs without extras, instruments, brings no daemon dependency\n")


if __name__ == "__main__":
    main()
