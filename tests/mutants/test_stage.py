"""A stage runs its own copy of the code, whoever starts what there."""

from __future__ import annotations

import json
import subprocess

from tests.mutants.stage import staged
from tests.mutants.table import ROOT, Mutant

MUTANT = Mutant(
    18,
    "months begin on the second",
    "policies/bursar/policies/windows.py",
    "day: int = 1",
    "day: int = 2",
    (),
)
PATHS = """
import json, subprocess, sys
from importlib.util import find_spec
from bursar.policies import windows
paths = [windows.__file__, *(find_spec(f"bursar.{room}").origin for room in ("agent.ledger", "instrumentation"))]
if len(sys.argv) > 1:
    again = [sys.executable, "-c", sys.argv[1]]
    paths += json.loads(subprocess.run(again, env={}, capture_output=True, text=True, check=True).stdout)
print(json.dumps(paths))
"""


def test_every_process_imports_the_copy() -> None:
    """Also one that a process of the stage starts with nothing in its environment; the checkout stays as it was."""
    before = (ROOT / MUTANT.file).read_text()
    with staged() as stage:
        stage.mutate(MUTANT)
        assert not stage.imported(MUTANT)
        command = [str(stage.python), "-c", PATHS, PATHS]
        paths = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)
        assert len(paths) == 6
        assert all(path.startswith(f"{stage.folder}/") for path in paths)
        assert stage.imported(MUTANT)
        assert MUTANT.new in (stage.folder / MUTANT.file).read_text()
    assert (ROOT / MUTANT.file).read_text() == before
    assert not stage.folder.exists()
