"""How is a batch to go? The `x-sandbox-batch-*` headers of its creation, or the same words for the whole sandbox."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from bursar.agent.sandbox.errors import invalid
from bursar.agent.sandbox.scene import PREFIX, whole

_REST = "*"
_NEVER = "never"
_MOST = 100


class Outcome(StrEnum):
    """What comes of one request of a batch."""

    SUCCEEDED = "succeeded"
    ERRORED = "errored"
    CANCELED = "canceled"
    EXPIRED = "expired"


class Fate(StrEnum):
    """What is staged for one request: an outcome, or the error that it ends in. `errored` is an `api_error`."""

    SUCCEEDED = "succeeded"
    ERRORED = "errored"
    CANCELED = "canceled"
    EXPIRED = "expired"
    API_ERROR = "api_error"
    OVERLOADED = "overloaded_error"
    TIMEOUT = "timeout_error"
    RATE_LIMIT = "rate_limit_error"
    INVALID = "invalid_request_error"
    PERMISSION = "permission_error"
    BILLING = "billing_error"

    @property
    def error(self) -> str | None:
        """The type of the error that it ends in, if it does."""
        if self is Fate.ERRORED:
            return Fate.API_ERROR.value
        return None if self in (Fate.SUCCEEDED, Fate.CANCELED, Fate.EXPIRED) else self.value


@dataclass(frozen=True, slots=True)
class BatchScene:
    """How a batch goes, as its creation stages it."""

    takes_s: float
    """From its creation to its end, infinite for never; its requests are processed one after the other, evenly."""
    output_tokens: int | None
    """Of every answer."""
    fates: Mapping[str, Fate]
    """By custom_id; `*` stands for all that are not named."""
    shares: Mapping[Fate, int] = field(default_factory=dict[Fate, int])
    """Of the requests that are not named, in per cent."""
    seed: str = ""
    warm: int = _MOST
    """Per cent of the requests that find in the cache what others left there."""

    def fate(self, custom_id: str) -> Fate:
        """What is staged for a request; what else may befall it (a mistake in it, cancellation, time) still may."""
        named = self.fates.get(custom_id)
        if named is not None:
            return named
        drawn = _draw(self.seed, "fate", custom_id) if self.shares else _MOST
        for fate, share in self.shares.items():
            if drawn < share:
                return fate
            drawn -= share
        return self.fates.get(_REST, Fate.SUCCEEDED)

    def finds_cache(self, custom_id: str) -> bool:
        """Whether a request finds what others left in the cache; in a batch that is best effort."""
        return self.warm == _MOST or _draw(self.seed, "cache", custom_id) < self.warm


def read_batch_scene(words: Mapping[str, str], delay_s: float = 0) -> BatchScene:
    """
    The scene of a batch in the headers of its creation; raises a 400 for what cannot be read.

    `x-sandbox-batch-ms: 2000` says how long it takes, or `never`; without it, `delay_s`. `x-sandbox-output-tokens: 500`
    how long its answers are. `x-sandbox-batch-outcomes: c1=overloaded_error, c2=expired, errored=30, *=succeeded` what
    comes of its requests: of those that are named, and of a share in per cent of the others, drawn for each by its
    custom_id and `x-sandbox-batch-seed`. `x-sandbox-batch-warm: 30` how many per cent find what is in the cache.
    """
    fates: dict[str, Fate] = {}
    shares: dict[Fate, int] = {}
    for name, value in _pairs(words.get(PREFIX + "batch-outcomes", "")):
        share = value.removesuffix("%")
        if share.isascii() and share.isdigit() and name in list(Fate):
            shares[Fate(name)] = int(share)
        else:
            fates[name] = _fate(value)
    if sum(shares.values()) > _MOST:
        raise invalid(PREFIX + "batch-outcomes", f"the shares come to {sum(shares.values())}, and may to {_MOST}")
    warm = whole(words, "batch-warm", 0)
    return BatchScene(
        takes_s=_takes_s(words, delay_s),
        output_tokens=whole(words, "output-tokens", 1),
        fates=fates,
        shares=shares,
        seed=words.get(PREFIX + "batch-seed", ""),
        warm=_MOST if warm is None else warm,
    )


def _takes_s(words: Mapping[str, str], delay_s: float) -> float:
    if words.get(PREFIX + "batch-ms") == _NEVER:
        return math.inf
    asked = whole(words, "batch-ms", 0)
    return delay_s if asked is None else asked / 1_000


def _pairs(text: str) -> list[tuple[str, str]]:
    parts = [entry.partition("=") for entry in text.split(",") if entry.strip()]
    return [(name.strip(), value.strip()) for name, _, value in parts]


def _fate(value: str) -> Fate:
    if value not in list(Fate):
        raise invalid(
            PREFIX + "batch-outcomes",
            f"'{value}' is not one of {', '.join(Fate)}; write custom_id=outcome or outcome=per cent, with commas",
        )
    return Fate(value)


def _draw(seed: str, purpose: str, custom_id: str) -> int:
    """From 0 to 99: the same for the same request, whatever else is in its batch."""
    digest = hashlib.sha256(f"{seed}\n{purpose}\n{custom_id}".encode()).digest()
    return int.from_bytes(digest[:8]) % _MOST
