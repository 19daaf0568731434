"""Claims about what may stand in a place of a command."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from tests.agent.asking import alone, small_ledger

from bursar.agent.commands import candidates


@pytest.fixture(autouse=True)
def _bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone(monkeypatch, tmp_path)


PLACE = click.Option(["--route"])


def asked(db: Path | None = None) -> click.Context:
    """A command that is being written, with the ledger that it named."""
    context = click.Context(click.Command("advise"))
    context.params["db"] = db
    return context


def test_the_ledger_that_the_line_names(tmp_path: Path) -> None:
    """Goes before the one of the environment; of that nothing is known here."""
    db = small_ledger(tmp_path / "other.sqlite")
    assert candidates.routes(asked(db), PLACE, "desk:") == ["desk:answer", "desk:sort"]
    assert candidates.routes(asked(), PLACE, "") == []


def test_budgets_of_a_ledger_without_rules(tmp_path: Path) -> None:
    """No process was told any."""
    assert candidates.budgets(asked(small_ledger(tmp_path / "other.sqlite")), PLACE, "") == []


def test_models_of_ones_own_prices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside the shipped ones; a file with a mistake has none."""
    row = "{ input = 1, cache_read = 1, cache_write_5m = 1, cache_write_1h = 1, output = 1 }"
    (tmp_path / "prices.toml").write_text(f'[[model]]\nid = "claude-ours"\nprices = [{row}]\n')
    monkeypatch.setenv("BURSAR_PRICES", str(tmp_path / "prices.toml"))
    assert candidates.models(asked(), PLACE, "claude-ou") == ["claude-ours"]
    (tmp_path / "prices.toml").write_text("model = 3")
    assert candidates.models(asked(), PLACE, "") == []


@pytest.mark.parametrize(
    ("incomplete", "found"),
    [
        ("pr", ["price_id"]),
        ("route,model,pr", ["route,model,price_id"]),
        ("model,mod", []),
        ("route,lab", ["route,label:"]),
    ],
)
def test_keys_of_a_list(incomplete: str, found: list[str]) -> None:
    """The last one is completed, and none is offered twice."""
    assert candidates.keys(asked(), PLACE, incomplete) == found
