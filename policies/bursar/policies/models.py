"""Which model does an id name, whatever the platform's way of writing it?"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

Platform = Literal["anthropic", "bedrock", "vertex"]


@dataclass(frozen=True, slots=True)
class ModelRef:
    """A model id taken apart."""

    id: str
    """The name without date, version and platform: `claude-sonnet-4-5`. Ids of other makers stand as they are."""
    region: str | None = None
    """`us`, `eu`, `jp`, `au`, `apac`, `global` or `us-gov`, where the id names an inference profile's region."""
    platform: Platform | None = None
    """None: the form is used on more than one platform."""


_ARN = re.compile(
    r"arn:(?P<partition>aws[a-z-]*):bedrock:[^:]*:[^:]*:(?P<kind>inference-profile|foundation-model|[a-z-]+)/(?P<id>.+)"
)

# The name is matched lazily, so that it ends before the first run of suffixes that reaches the end of the id. Nothing
# is matched by prefix: claude-opus-5-5 has no suffix, and is a name of its own beside claude-opus-5.
_FORM = re.compile(
    r"(?:(?:(?P<region>us-gov|us|eu|jp|au|apac|global)\.)?(?P<bedrock>anthropic\.)|(?P<anthropic>anthropic/))?"
    r"(?P<name>claude-[a-z0-9.-]+?)"
    r"(?:-\d{8}|-latest)?"
    r"(?:-v\d+(?::\d+)?(?::\d+k)?)?"
    r"(?P<vertex>@(?:default|latest|\d{8}))?"
    r"(?:\[1m\])?"
)


@lru_cache(maxsize=4096)
def canonical(model_id: str) -> ModelRef:
    """
    The model behind an id of the Claude API, Bedrock (profiles and ARNs too), Vertex or Claude Code.

    Snapshots of one name are one model: `claude-sonnet-4-5-20250929` and `claude-sonnet-4-5@20250929` are both
    `claude-sonnet-4-5`. An id of no known form, such as an application inference profile, is its own name.
    """
    arn = _ARN.fullmatch(model_id)
    found = _FORM.fullmatch(arn["id"] if arn else model_id)
    if found is None or (arn is not None and not found["bedrock"]):
        return ModelRef(model_id, platform="bedrock" if arn else None)
    region: str | None = found["region"]
    if arn is not None and arn["partition"] == "aws-us-gov":
        region = "us-gov"
    return ModelRef(found["name"], region, _platform(found))


def _platform(found: re.Match[str]) -> Platform | None:
    if found["bedrock"]:
        return "bedrock"
    if found["vertex"]:
        return "vertex"
    return "anthropic" if found["anthropic"] else None
