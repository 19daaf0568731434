"""What does a policy file do, and what is wrong with it?"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bursar.policies.policyfile import parse_policy
from bursar.policies.policyfile.describe import describe
from bursar.policies.policyfile.mistakes import Mistake, PolicyError
from bursar.policies.prices import PriceBook


@dataclass(frozen=True, slots=True)
class Checked:
    """A policy file, judged. With mistakes there is no description."""

    file: str
    mistakes: tuple[Mistake, ...] = ()
    warnings: tuple[str, ...] = ()
    """What is understood and not acted on in this release, and models without a price."""
    description: tuple[str, ...] = ()
    """Sentences; those that begin with two spaces belong to the one before them."""

    def to_json(self) -> dict[str, Any]:
        """Ready for JSON; `ok` says whether the file can be put in force."""
        return {"ok": not self.mistakes, **asdict(self)}


def check_policy(path: Path, book: PriceBook) -> Checked:
    """Judge a file by the models of a price book. Raises OSError where it cannot be read."""
    known = frozenset(name for model in book.models for name in (model.id, *model.aliases))
    try:
        policy = parse_policy(path.read_text(encoding="utf-8"), file=str(path), known_models=known)
    except PolicyError as error:
        return Checked(str(path), mistakes=error.mistakes)
    except UnicodeDecodeError as error:
        return Checked(str(path), (Mistake("", None, f"the file is no UTF-8 text ({error})", "save it as UTF-8"),))
    return Checked(str(path), warnings=policy.warnings, description=tuple(describe(policy)))
