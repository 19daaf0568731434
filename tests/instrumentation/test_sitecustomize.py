"""Claims about programs that are instrumented without knowing of it, each in an interpreter of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import bursar.instrumentation

AUTOLOAD = Path(next(iter(bursar.instrumentation.__path__))) / "autoload"

INSTRUMENT = "def instrument():\n    print('instrumented')\n"
ANTHROPIC = "print('anthropic runs')\nVALUE = 7\n"


class Program:
    """A folder on the path of an interpreter, with stand-ins for what it would find in a real one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.write("bursar/instrumentation/__init__.py", INSTRUMENT)
        self.write("anthropic/__init__.py", ANTHROPIC)

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def run(self, code: str, *, autoload: bool = True) -> subprocess.CompletedProcess[str]:
        path = [str(AUTOLOAD)] if autoload else []
        environ = {**os.environ, "PYTHONPATH": os.pathsep.join([*path, str(self.folder)])}
        return subprocess.run(
            [sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=False, timeout=60
        )

    def says(self, code: str) -> list[str]:
        done = self.run(code)
        assert done.stderr == ""
        assert done.returncode == 0
        return done.stdout.splitlines()


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


def test_instrumented_once_when_anthropic_is_imported(program: Program) -> None:
    """After the module has run, before the program goes on; a second import changes nothing."""
    said = program.says("print('start'); import anthropic; print(anthropic.VALUE); import anthropic, sys")
    assert said == ["start", "anthropic runs", "instrumented", "7"]


def test_also_when_a_part_of_it_is_imported_first(program: Program) -> None:
    """`from anthropic.types import Message` runs the package before its part."""
    program.write("anthropic/types.py", "print('types run')\n")
    assert program.says("from anthropic import types") == ["anthropic runs", "instrumented", "types run"]


def test_nothing_is_left_behind(program: Program) -> None:
    """The module's loader is its own again, and the finder is gone."""
    said = program.says(
        "import sys, anthropic\n"
        "print(type(anthropic.__loader__).__name__, anthropic.__spec__.loader is anthropic.__loader__)\n"
        "print([f for f in sys.meta_path if 'sitecustomize' in type(f).__module__])\n"
    )
    assert said[2:] == ["SourceFileLoader True", "[]"]


def test_looking_for_anthropic_does_not_import_it(program: Program) -> None:
    """Frameworks look whether it is there."""
    said = program.says("import importlib.util as u; print(u.find_spec('anthropic').name, u.find_spec('anthropix'))")
    assert said == ["anthropic None"]


def test_a_program_without_anthropic_pays_nothing(program: Program) -> None:
    """One finder watches, and no module more is loaded than a few that every Python has at hand."""
    code = "import sys; print([type(f).__name__ for f in sys.meta_path].count('_Hook'), *sys.modules, sep='\\n')"
    watching, *with_it = program.says(code)
    without = program.run(code, autoload=False).stdout.splitlines()
    assert watching == "1"
    extra = {name.partition(".")[0] for name in set(with_it) - set(without)}
    assert extra <= {"sitecustomize", "importlib", "warnings", "types", "__future__"}


def test_a_failed_import_of_anthropic_can_be_repeated(program: Program) -> None:
    """The error is the program's, and the next attempt is instrumented."""
    program.write("anthropic/__init__.py", "import sys\nif not hasattr(sys, 'second'): raise ImportError('no')\n")
    said = program.says(
        "import sys\ntry:\n    import anthropic\nexcept ImportError as error:\n    print(error)\n"
        "sys.second = True\nimport anthropic\n"
    )
    assert said == ["no", "instrumented"]


def test_anthropic_may_be_there_already(program: Program) -> None:
    """Whoever imported it before Python came to this file."""
    said = program.says(f"import anthropic, runpy; runpy.run_path({str(AUTOLOAD / 'sitecustomize.py')!r})")
    assert said == ["anthropic runs", "instrumented", "instrumented"]


@pytest.mark.parametrize(
    ("instrumentation", "said"),
    [
        ("raise ModuleNotFoundError('No module named opentelemetry')", "-m pip install bursar"),
        ("def instrument(): raise ValueError('BURSAR_AGENT: no address')", "ValueError: BURSAR_AGENT: no address"),
    ],
)
def test_a_failure_is_one_line_and_the_program_goes_on(program: Program, instrumentation: str, said: str) -> None:
    """It names the interpreter's remedy, or the error."""
    program.write("bursar/instrumentation/__init__.py", instrumentation)
    done = program.run("import anthropic; print(anthropic.VALUE)")
    assert done.returncode == 0
    assert done.stdout.splitlines() == ["anthropic runs", "7"]
    (line,) = done.stderr.splitlines()
    assert line.startswith("bursar: Claude calls of ")
    assert line.endswith(said)


def test_a_sitecustomize_of_the_site_still_runs(program: Program) -> None:
    """Under its own name, as if nothing stood before it, with what it sets up in place for the program."""
    program.write("sitecustomize.py", "import builtins, sys\nbuiltins.SITE = __file__\nHERE = sys.modules[__name__]\n")
    said = program.says(
        "import sitecustomize; print(SITE); print(sitecustomize.HERE is sitecustomize); import anthropic"
    )
    assert said == [str(program.folder / "sitecustomize.py"), "True", "anthropic runs", "instrumented"]


def test_errors_of_a_sitecustomize_are_what_they_were(program: Program) -> None:
    """Python tells them and goes on, and the program is instrumented all the same."""
    program.write("sitecustomize.py", "raise RuntimeError('broken site')\n")
    before = program.run("import anthropic", autoload=False)
    after = program.run("import anthropic")
    assert "RuntimeError: broken site" in before.stderr
    assert after.stderr == before.stderr
    assert after.stdout.splitlines() == ["anthropic runs", "instrumented"]


def test_processes_of_the_program_are_instrumented_too(program: Program) -> None:
    """The path is inherited: servers that start workers need no care."""
    said = program.says("import subprocess, sys; subprocess.run([sys.executable, '-c', 'import anthropic'])")
    assert said == ["anthropic runs", "instrumented"]


@pytest.mark.parametrize(("options", "signed"), [([], True), (["-I"], False), (["-E"], False)])
def test_a_sign_of_life(program: Program, options: list[str], signed: bool) -> None:
    """Left by every Python that comes to this file and can import Bursar, whether or not it imports anthropic."""
    sign, path = program.folder / "sign", [str(AUTOLOAD), str(program.folder)]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(path), "BURSAR_SIGN": str(sign)}
    subprocess.run([sys.executable, *options, "-c", ""], env=environ, check=True, timeout=60)
    assert sign.exists() is signed


def test_no_sign_without_bursar(program: Program) -> None:
    """A Python that has no Bursar cannot count anything."""
    sign = program.folder / "sign"
    code = (
        f"import os, sys; file = {str(AUTOLOAD / 'sitecustomize.py')!r}; text = open(file).read()\n"
        "sys.meta_path.clear()\n"
        f"os.environ['BURSAR_SIGN'] = {str(sign)!r}\n"
        "exec(text, {'__file__': file, '__name__': 'sitecustomize'})"
    )
    assert program.says(code) == []
    assert not sign.exists()


def test_a_sign_that_cannot_be_left_stops_nobody(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program goes on, and nothing is said."""
    monkeypatch.setenv("BURSAR_SIGN", "/no/such/folder/sign")
    assert program.says("print('on')") == ["on"]
