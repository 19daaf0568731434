"""Claims about which forms each model of the sandbox takes."""

import pytest

from bursar.agent.sandbox.forms import BETAS, EFFORTS, FORMS
from bursar.agent.sandbox.tables import MODELS


def test_every_model_has_its_forms() -> None:
    """And no other."""
    assert FORMS.keys() == MODELS.keys()


@pytest.mark.parametrize(
    ("model", "thinking", "unasked", "quiet", "efforts", "together"),
    [
        ("claude-opus-5-5", {"adaptive"}, True, None, EFFORTS, False),
        ("claude-sonnet-5-5", {"adaptive", "between_tools"}, True, "high", EFFORTS, False),
        ("claude-sonnet-5", {"adaptive", "disabled"}, True, None, EFFORTS, False),
        ("claude-opus-4-6", {"adaptive", "enabled", "disabled"}, False, None, ("low", "medium", "high", "max"), False),
        ("claude-haiku-4-5-20251001", {"enabled", "disabled"}, False, None, (), False),
        ("claude-opus-4-20250514", {"enabled", "disabled"}, False, None, (), True),
    ],
)
def test_forms(
    model: str, thinking: set[str], unasked: bool, quiet: str | None, efforts: tuple[str, ...], together: bool
) -> None:
    """As its letters say."""
    forms = FORMS[model]
    assert (set(forms.thinking), forms.thinks_unasked, forms.quiet_up_to) == (thinking, unasked, quiet)
    assert (forms.efforts, forms.together) == (efforts, together)


@pytest.mark.parametrize(
    ("model", "tool", "taken"),
    [
        ("claude-opus-5-5", "computer_20251124", False),
        ("claude-opus-5-5", "computer_toolset_20260801", True),
        ("claude-opus-5", "computer_20251124", True),
        ("claude-opus-4-5-20251101", "computer_20251124", True),
        ("claude-sonnet-4-5-20250929", "computer_20251124", False),
        ("claude-sonnet-4-5-20250929", "computer_20250124", True),
        ("claude-opus-4-20250514", "memory_20250818", False),
        ("claude-opus-4-1-20250805", "bash_20250124", True),
        ("claude-3-haiku-20240307", "bash_20250124", False),
    ],
)
def test_tools(model: str, tool: str, taken: bool) -> None:
    """A tool's version belongs to some generations."""
    assert (FORMS[model].tools.fullmatch(tool) is not None) is taken


def test_a_beta_of_some_models_names_models_that_exist() -> None:
    """Where it names any."""
    assert all(models is None or models <= MODELS.keys() for models in BETAS.values())
    assert len([models for models in BETAS.values() if models is not None]) == 4
