"""Where does a mutant live: a copy of the code, and an interpreter that can import no other?"""

from __future__ import annotations

import shutil
import sys
import sysconfig
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import cache_from_source
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.mutants.table import ROOT, Mutant

ROOTS = ("policies", "instrumentation", "agent")


@dataclass(frozen=True, slots=True)
class Stage:
    """
    A folder with the three source roots, and a virtual environment whose packages are the checkout's but for Bursar.

    Another PYTHONPATH would not do: tests start processes whose environment holds what they choose, and these would
    run the checkout. Here it is the interpreter that knows where Bursar is, and they are all started by its path.
    """

    folder: Path

    @property
    def python(self) -> Path:
        """The interpreter."""
        return self.folder / "venv" / "bin" / "python"

    def mutate(self, mutant: Mutant) -> None:
        """Make the change, and forget what was compiled before. Raises `StaleError`."""
        file = self.folder / mutant.file
        file.write_text(mutant.applied(file.read_text()))
        self._compiled(mutant).unlink(missing_ok=True)

    def imported(self, mutant: Mutant) -> bool:
        """Whether anybody has imported the changed file since: then it is compiled."""
        return self._compiled(mutant).exists()

    def _compiled(self, mutant: Mutant) -> Path:
        return Path(cache_from_source(str(self.folder / mutant.file)))


@contextmanager
def staged() -> Generator[Stage]:
    """A stage while the block lasts; nothing of the checkout is ever written."""
    with TemporaryDirectory(prefix="bursar-mutant-", ignore_cleanup_errors=True) as folder:
        stage = Stage(Path(folder))
        for root in ROOTS:
            shutil.copytree(ROOT / root, stage.folder / root)
        _make_environment(stage)
        yield stage


def _make_environment(stage: Stage) -> None:
    venv, here = stage.folder / "venv", Path(sysconfig.get_path("purelib"))
    packages = venv / here.relative_to(sys.prefix)
    packages.mkdir(parents=True)
    shutil.copyfile(Path(sys.prefix) / "pyvenv.cfg", venv / "pyvenv.cfg")
    stage.python.parent.mkdir()
    stage.python.symlink_to(Path(sys.executable).resolve())
    for entry in here.iterdir():
        if entry.suffix == ".pth":
            (packages / entry.name).write_text(entry.read_text().replace(str(ROOT), str(stage.folder)))
        else:
            (packages / entry.name).symlink_to(entry)
