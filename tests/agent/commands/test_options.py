"""Claims about how commands answer."""

from __future__ import annotations

import json

import pytest
from rich.text import Text

from bursar.agent.commands.options import CANNOT_START, answer, end


def test_an_object_is_json_and_a_text_is_not_wrapped(capsys: pytest.CaptureFixture[str]) -> None:
    """Names in it are no markup."""
    answer({"calls": 3}, Text("[bold]" + "x" * 200))
    said = capsys.readouterr().out
    assert json.loads(said[: said.index("}") + 1]) == {"calls": 3}
    assert said.splitlines()[-1] == "[bold]" + "x" * 200


def test_an_end_is_a_sentence_and_a_code(capsys: pytest.CaptureFixture[str]) -> None:
    """On standard error: standard output has answers alone."""
    with pytest.raises(SystemExit) as ended:
        end("the port is taken", CANNOT_START)
    told = capsys.readouterr()
    assert (ended.value.code, told.out, told.err) == (3, "", "bursar: the port is taken\n")
