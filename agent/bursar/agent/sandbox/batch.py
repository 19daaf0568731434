"""What is one batch, its requests and what came of them? And as JSON, for the diary."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from bursar.agent.sandbox.batch_scene import BatchScene, Fate, Outcome
from bursar.agent.sandbox.fields import Json

EXPIRES_S = 24 * 3_600.0
KEPT_S = 29 * 24 * 3_600.0  # how long after its creation the results of a batch can be had


@dataclass(frozen=True, slots=True)
class Item:
    """One request of a batch; `params` are looked at only when its turn comes, as with the API."""

    custom_id: str
    params: Json


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one request; `members` are those of the result object beside its type."""

    custom_id: str
    outcome: Outcome
    members: Json = field(default_factory=dict[str, object])

    def to_json(self) -> Json:
        """For the diary."""
        return {"custom_id": self.custom_id, "outcome": self.outcome, "members": self.members}

    @classmethod
    def from_json(cls, data: Json) -> "Result":
        """What `to_json` made."""
        return cls(data["custom_id"], Outcome(data["outcome"]), data["members"])


@dataclass(slots=True)
class Batch:
    """
    One batch; times are seconds on the caller's clock.

    Its requests are processed in the order they were asked in, one after the other, evenly spaced over the time that
    the batch takes. Once it is canceled, the one in progress is finished and the others are not begun; after a day the
    rest expires. In a batch that never ends, no request is ever finished.
    """

    id: str
    key: str  # a label of the API key that pays
    version: str  # of the API, as the creation's header says
    betas: str | None  # the creation's header
    profile: str | None  # the end customer whom the creation's header names
    items: Sequence[Item]
    scene: BatchScene
    created: float
    results: list[Result] = field(default_factory=list[Result])  # in the order of processing
    cancel_initiated: float | None = None
    ended: float | None = None

    @property
    def expires(self) -> float:
        return self.created + EXPIRES_S

    @property
    def archived(self) -> float:
        """When the results are no longer to be had."""
        return self.created + KEPT_S

    @property
    def due(self) -> float:
        """When the request in progress is finished, if the batch lives so long."""
        return self.created + self.scene.takes_s * (len(self.results) + 1) / len(self.items)

    @property
    def next_step(self) -> float:
        """When the request in progress is finished, or the batch expires; one that never ends does once canceled."""
        if self.cancel_initiated is not None and math.isinf(self.due):
            return self.cancel_initiated
        return min(self.due, self.expires)

    @property
    def left(self) -> int:
        """How many of its requests wait to be processed."""
        return 0 if self.ended is not None else len(self.items) - len(self.results)

    @property
    def in_other_order(self) -> list[Result]:
        """The results as they are handed out: never in the order of asking, where there are two or more."""
        return [*self.results[1::2], *self.results[::2]]

    def counts(self) -> dict[str, int]:
        """How many requests stand where; all are processing until the whole batch has ended."""
        told = Counter(result.outcome for result in self.results) if self.ended is not None else Counter[Outcome]()
        return {"processing": len(self.items) - told.total(), **{outcome: told[outcome] for outcome in Outcome}}

    def end(self, at: float, rest: Outcome) -> None:
        """Be over at this time, with this for all that was not processed."""
        left = self.items[len(self.results) :]
        self.results.extend(Result(item.custom_id, rest) for item in left)
        self.ended = at

    def to_json(self) -> Json:
        """For the diary, as it was when it was created; what became of it is written there beside it."""
        return {
            "id": self.id,
            "key": self.key,
            "version": self.version,
            "betas": self.betas,
            "profile": self.profile,
            "items": [[item.custom_id, item.params] for item in self.items],
            "scene": asdict(self.scene),
            "created": self.created,
        }

    @classmethod
    def from_json(cls, data: Json) -> "Batch":
        """What `to_json` made."""
        staged: Json = data["scene"]
        scene = BatchScene(
            takes_s=staged["takes_s"],
            output_tokens=staged["output_tokens"],
            fates={name: Fate(fate) for name, fate in staged["fates"].items()},
            shares={Fate(fate): share for fate, share in staged["shares"].items()},
            seed=staged["seed"],
            warm=staged["warm"],
        )
        items = tuple(Item(custom_id, params) for custom_id, params in data["items"])
        members: Json = {**data, "items": items, "scene": scene}
        return cls(**members)
