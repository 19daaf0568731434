"""Claims about the command's door: without the agent's dependencies it says what to install."""

from __future__ import annotations

import subprocess
import sys

_WITHOUT = """\
import sys
sys.modules[{module!r}] = None
from bursar.agent.__main__ import main
main()
"""


def test_missing_dependency() -> None:
    """A plain `pip install bursar` has no click: one sentence names the extra, and the exit code is 3."""
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT.format(module="click")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 3
    assert done.stderr == 'bursar: click is not installed. Install the agent with: pip install "bursar[agent]"\n'
    assert done.stdout == ""


def test_our_own_mistakes_are_shown() -> None:
    """A module of our own that is missing is a defect, not an installation: it is not hidden."""
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT.format(module="bursar.agent.cli")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "ModuleNotFoundError" in done.stderr
