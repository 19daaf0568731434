"""What does a call made for a cascade carry, and what does it leave there?"""

from __future__ import annotations

from dataclasses import dataclass, field

from bursar.policies.cascade import Stage
from bursar.policies.charge import Charge


@dataclass(frozen=True, slots=True)
class Staging:
    """The part of a cascade that is being played, and the charges of the calls made for it so far, in any part."""

    stage: Stage
    charges: list[Charge] = field(default_factory=list[Charge])
