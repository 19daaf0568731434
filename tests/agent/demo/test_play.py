"""Claims about a demo that goes wrong; one that goes well is played in the tests of the whole."""

from __future__ import annotations

import os
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from bursar.agent.cli import cli
from bursar.agent.demo import command, play, stage


def played(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[int, str]:
    """Exit code and complaint of a demo with this application, behind a proxy that does not answer."""
    (tmp_path / "app.py").write_text(code)
    monkeypatch.setattr(stage, "application", lambda: tmp_path / "app.py")
    monkeypatch.setattr(play, "PLAIN_SECONDS", 0.2)
    monkeypatch.setattr(play, "DELIVERY_SECONDS", 0.0)
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    done = CliRunner().invoke(cli, ["demo", "--json"], catch_exceptions=False)
    assert done.stdout == ""
    return done.exit_code, done.stderr[done.stderr.index("bursar demo: ") :]


def test_an_application_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 1, with the last ten lines that it said."""
    code = "import sys\nfor n in range(12): print('line', n, file=sys.stderr)\nsys.exit(4)"
    lines = "".join(f"line {number}\n" for number in range(2, 12))
    said = f"bursar demo: the application ended with exit code 4. It said last:\n{lines}"
    assert played(code, tmp_path, monkeypatch) == (1, said)


def test_an_application_that_calls_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing spent of nothing billed is no success."""
    said = "bursar demo: the application made no call that was counted. It said last:\nnothing\n"
    assert played("", tmp_path, monkeypatch) == (1, said)


def test_an_application_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not waited for without end."""
    monkeypatch.setattr(play, "APPLICATION_SECONDS", 0.3)
    code, said = played("import signal; signal.pause()", tmp_path, monkeypatch)
    assert (code, said) == (1, "bursar demo: the application did not end within 0.3 s. It said last:\nnothing\n")


def test_an_application_that_answers_no_questions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It worked through its day, and then nothing can be said of what a recommendation saves."""
    code = "import anthropic, sys\nif '--only-answer' in sys.argv: sys.exit('no handbook')\n" + ONE_CALL
    found, said = played(code, tmp_path, monkeypatch)
    assert (found, said.splitlines()[0]) == (
        1,
        "bursar demo: the first recommendation was not tried: the questions were not answered: no handbook",
    )


ONE_CALL = """
anthropic.Anthropic().messages.create(
    model="claude-haiku-5-5", max_tokens=9, messages=[{"role": "user", "content": "Hello"}]
)
"""


def test_a_sandbox_that_cannot_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sentence and exit code 3."""

    def gone(*_: object, **__: object) -> None:
        raise httpx.ConnectError("refused")

    monkeypatch.setattr(command, "play", gone)
    done = CliRunner().invoke(cli, ["demo"], catch_exceptions=False)
    assert (done.exit_code, done.stderr) == (
        3,
        "bursar demo: the sandbox's bill cannot be read (refused): run the demo again\n",
    )


@pytest.mark.parametrize(
    ("before", "exempt"),
    [
        ({}, "127.0.0.1,localhost"),
        ({"NO_PROXY": "a"}, "a,127.0.0.1,localhost"),
        ({"NO_PROXY": "a", "no_proxy": "b"}, "b,127.0.0.1,localhost"),
    ],
)
def test_everything_of_the_demo_is_past_proxies(before: dict[str, str], exempt: str) -> None:
    """What was exempt stays so; of two spellings the small one counts, as in Python."""
    assert play.past_proxies({**before, "X": os.sep}) == {"X": os.sep, "NO_PROXY": exempt, "no_proxy": exempt}
