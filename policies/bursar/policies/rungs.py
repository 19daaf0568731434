"""What is known of a model on a ladder, and why may it not take a request?"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bursar.policies.book import ModelPrices
from bursar.policies.capabilities import Capabilities
from bursar.policies.models import canonical


class Misfit(StrEnum):
    """Why a request cannot be changed to fit a model. docs/engine.md tells each."""

    PLATFORM = "platform"
    """Its id is written for another platform or region, where this client's endpoint does not know it."""
    NO_PRICE = "no_price"
    RETIRED = "retired"
    MAX_TOKENS = "max_tokens"
    """Its ceiling is unknown, or below what the route needs."""
    CONTEXT = "context"
    PARAMETER = "parameter"
    """The request has a parameter that is not known to be accepted everywhere."""
    WARM_UP = "warm_up"
    """It only fills the cache, and caches are each model's own."""
    THINKING = "thinking"
    THINKING_HISTORY = "thinking_history"
    EFFORT = "effort"
    """It has no such level of effort, none at all, or none below the one asked for."""
    SAMPLING = "sampling"
    PREFILL = "prefill"
    TOOL_CHOICE = "tool_choice"
    """It cannot be forced to use a tool, and what is forced is never changed."""
    TOOLS = "tools"
    STRUCTURED_OUTPUTS = "structured_outputs"
    SYSTEM_MESSAGES = "system_messages"
    IMAGES = "images"
    PDFS = "pdfs"
    CITATIONS = "citations"
    CONTENT = "content"
    """Earlier turns have blocks that are not known to be read everywhere."""
    CONTEXT_EDITS = "context_edits"
    BETA = "beta"
    RESIDENCY = "residency"
    """It has no `inference_geo`, and where data goes is never changed."""
    LOSSY = "lossy"
    """It would fit by a change that loses something, and the route does not allow such."""


@dataclass(frozen=True, slots=True)
class Rung:
    """A model of a ladder, with what is known of it."""

    model: str
    """As the client writes it."""
    facts: ModelPrices | None
    can: Capabilities
    retired: bool = False
    fast: bool = False
    """Whether fast mode is sold for it on the day of the request."""

    @property
    def name(self) -> str:
        """Its canonical name."""
        return self.can.model

    @property
    def max_output(self) -> int | None:
        """The largest `max_tokens` it accepts."""
        return self.can.max_output or (self.facts.max_output if self.facts else None)

    @property
    def context_window(self) -> int | None:
        """Tokens that its window holds."""
        return self.can.context_window or (self.facts.context_window if self.facts else None)


def elsewhere(asked: str, target: str) -> bool:
    """Whether a target's id belongs to another platform than the one asked for, or to another region of it."""
    here, there = canonical(asked), canonical(target)
    if "bedrock" in (here.platform, there.platform):
        return (here.platform, here.region) != (there.platform, there.region)
    return there.platform is not None and here.platform is not None and here.platform != there.platform
