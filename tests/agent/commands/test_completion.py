"""Claims about completion: as shells ask for it, and in a real bash."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.agent.asking import POLICY, alone, bursar, complaint, small_ledger
from tests.agent.ledger import fresh

from bursar.agent.commands.completion import joined
from bursar.agent.ledger import Ledger, overridebook
from bursar.policies.protocol import Snapshot

PROGRAM = "import sys; sys.argv[0] = 'bursar'; from bursar.agent.__main__ import main; main()"


@pytest.fixture
def db(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small ledger that all commands find, with the rules that a process was told."""
    path = small_ledger(tmp_path / "bursar.sqlite")
    ledger = Ledger(fresh.file(path), clock_ns=lambda: 0)
    snapshot = Snapshot(id="r1", policy=POLICY, file="bursar.toml")
    ledger.submit(lambda written: overridebook.keep_rules(written, snapshot, 1)).result(10)
    ledger.close()
    monkeypatch.setenv("BURSAR_DB", str(path))
    return path


@pytest.fixture(autouse=True)
def _bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone(monkeypatch, tmp_path)


def completed(*words: str) -> list[str]:
    """What bash is answered to these words, the last of which is being written."""
    environ = {
        **os.environ,
        "_BURSAR_COMPLETE": "bash_complete",
        "COMP_WORDS": "\n".join(words),
        "COMP_CWORD": str(len(words) - 1),
    }
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environ, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return [line.removeprefix("plain,") for line in done.stdout.splitlines() if line]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("bursar", "re"), ["reconcile", "report", "reprice", "resume"]),
        (("bursar", "advise", "--route", "des"), ["desk:answer", "desk:sort"]),
        (("bursar", "advise", "--route", "desk", ":", "so"), ["sort"]),
        (("bursar", "advise", "--route", "desk", ":"), ["answer", "sort"]),
        (("bursar", "pause", ""), ["all-month"]),
        (("bursar", "eval", "--candidate", "claude-haiku-5"), ["claude-haiku-5-5"]),
        (("bursar", "report", "--by", "route,mo"), ["route,model"]),
        (("bursar", "db", "b"), ["backup"]),
        (("bursar", "top", "--on"), ["--once"]),
    ],
)
def test_what_is_completed(db: Path, words: tuple[str, ...], found: list[str]) -> None:
    """Commands, options, routes, budgets, models and keys; behind a colon only what bash replaces."""
    assert completed(*words) == found


def test_without_a_ledger_nothing_is_known(tmp_path: Path) -> None:
    """And nothing is said: an error in the middle of a line helps nobody."""
    assert completed("bursar", "advise", "--route", "") == []
    assert completed("bursar", "pause", "") == []


@pytest.mark.parametrize(
    ("words", "whole"),
    [
        (["a", "b", "c"], ["a", "b", "c"]),
        (["a", "b", ":", "c"], ["a", "b:c"]),
        (["a", "b", ":", ""], ["a", "b:"]),
        (["a", "b", ":", "c", ":", "d", "e"], ["a", "b:c:d", "e"]),
    ],
)
def test_words_that_bash_has_cut(words: list[str], whole: list[str]) -> None:
    """At colons, which it keeps as words of their own."""
    assert joined(words) == whole


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_what_a_shell_is_told(shell: str) -> None:
    """Its script, with where to put it on the first line, and nothing on standard error."""
    done = bursar("completion", shell)
    assert done.exit_code == 0
    assert done.stdout.startswith("# For ~/.")
    assert f"_BURSAR_COMPLETE={shell}_complete" in done.stdout


def test_no_such_shell() -> None:
    """Usage, and exit code 2."""
    assert "'tcsh' is not one of 'bash', 'fish', 'zsh'" in complaint("completion", "tcsh", code=2)


def test_a_real_bash(db: Path, tmp_path: Path) -> None:
    """The script is read, and its function answers as when Tab is pressed."""
    bash = shutil.which("bash")
    assert bash is not None
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "bursar"
    program.write_text(f"#!{sys.executable}\n{PROGRAM.replace('; ', chr(10))}\n")
    program.chmod(0o755)
    script = """
        source <(bursar completion bash)
        complete -p bursar
        COMP_WORDS=(bursar report --by route,mo) COMP_CWORD=3
        _bursar_completion bursar
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    environ = {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}"}
    done = subprocess.run([bash, "--norc", "-c", script], env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    registered, *answered = done.stdout.splitlines()
    assert registered.endswith("-F _bursar_completion bursar")
    assert answered == ["route,model"]
