"""What does the sandbox charge? Exact pico-dollars, rounded half to even to nano-dollars once for each request."""

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from bursar.agent.sandbox.tables import Model

FAST = "fast"
STANDARD = "standard"
BATCH = "batch"
US = "us"
GLOBAL = "global"
NOT_AVAILABLE = "not_available"
_PICO_PER_NANO = 1_000
_FAST_FACTOR = 2
_US_FACTOR = Fraction(11, 10)
_BATCH_FACTOR = Fraction(1, 2)


@dataclass(frozen=True, slots=True)
class Usage:
    """What one request used: disjoint token classes, and the modifiers it was served under."""

    input: int
    write_5m: int
    write_1h: int
    read: int
    output: int
    speed: str
    inference_geo: str
    service_tier: str = STANDARD


def nano_usd(model: Model, usage: Usage) -> int:
    """The price of one request in whole nano-dollars; a length tier is chosen by the whole prompt."""
    prompt = usage.input + usage.write_5m + usage.write_1h + usage.read
    prices = model.prices_for(prompt)
    pico = Fraction(
        usage.input * prices.input
        + usage.write_5m * prices.write_5m
        + usage.write_1h * prices.write_1h
        + usage.read * prices.read
        + usage.output * prices.output
    )
    if usage.speed == FAST:
        pico *= _FAST_FACTOR
    if usage.inference_geo == US:
        pico *= _US_FACTOR
    if usage.service_tier == BATCH:
        pico *= _BATCH_FACTOR
    return round(pico / _PICO_PER_NANO)


def class_pico(model: Model, usage: Usage) -> dict[str, Fraction]:
    """What each class of tokens costs, in pico-dollars and not rounded, by the Cost report's names for them."""
    prices = model.prices_for(usage.input + usage.write_5m + usage.write_1h + usage.read)
    factor = Fraction(_FAST_FACTOR if usage.speed == FAST else 1)
    factor *= _US_FACTOR if usage.inference_geo == US else 1
    factor *= _BATCH_FACTOR if usage.service_tier == BATCH else 1
    return {
        "uncached_input_tokens": usage.input * prices.input * factor,
        "cache_creation.ephemeral_5m_input_tokens": usage.write_5m * prices.write_5m * factor,
        "cache_creation.ephemeral_1h_input_tokens": usage.write_1h * prices.write_1h * factor,
        "cache_read_input_tokens": usage.read * prices.read * factor,
        "output_tokens": usage.output * prices.output * factor,
    }


def key_label(api_key: str) -> str:
    """A name for an API key from which the key cannot be read."""
    return "key_" + hashlib.sha256(api_key.encode()).hexdigest()[:8]


def _nowhere(model: str, key: str, nano: int, requests: int) -> None:
    """Where changes are noted if nobody keeps them."""


def _untold(model: Model, usage: Usage, sign: int) -> None:
    """Who hears of usage if nobody reports it."""


class Bill:
    """
    Running totals of all billed requests.

    `catch_up` is called before they are told, to book what is due by now; `note` with every change: model, key label,
    nano-dollars, requests; `on_use` with what a request used, 1 where it is billed and -1 where it no longer is.
    """

    def __init__(
        self,
        catch_up: Callable[[], None] = lambda: None,
        note: Callable[[str, str, int, int], None] = _nowhere,
        on_use: Callable[[Model, Usage, int], None] = _untold,
    ) -> None:
        self.on_use = on_use
        self._catch_up = catch_up
        self._note = note
        self._requests = 0
        self._by_model: Counter[str] = Counter()
        self._by_key: Counter[str] = Counter()

    def open(self, model: Model, key: str) -> "Line":
        """A new billed request, at nothing yet; `key` is a label, not the key itself."""
        self._requests += 1
        self._note(model.id, key, 0, 1)
        return Line(self, model, key)

    def add(self, model: Model, key: str, nano: int) -> None:
        """Put an amount on a model and a key."""
        self.restore(model.id, key, nano, 0)
        if nano:
            self._note(model.id, key, nano, 0)

    def restore(self, model: str, key: str, nano: int, requests: int) -> None:
        """A change as it was noted."""
        self._requests += requests
        if nano:
            self._by_model[model] += nano
            self._by_key[key] += nano

    def totals(self) -> dict[str, Any]:
        """The bill as `GET /sandbox/bill` shows it, requests in flight included as far as they have got."""
        self._catch_up()
        return {
            "nano_usd": self._by_model.total(),
            "requests": self._requests,
            "by_model": dict(self._by_model),
            "by_key": dict(self._by_key),
        }


class Line:
    """One request on the bill; a stream amends it with every piece it sends, so that it is right wherever it stops."""

    def __init__(self, bill: Bill, model: Model, key: str) -> None:
        self._bill = bill
        self._model = model
        self._key = key
        self._nano = 0
        self._usage: Usage | None = None

    def amend(self, usage: Usage) -> None:
        """Charge the request at this usage instead of what was charged before."""
        nano = nano_usd(self._model, usage)
        self._bill.add(self._model, self._key, nano - self._nano)
        self._nano = nano
        if self._usage is not None:
            self._bill.on_use(self._model, self._usage, -1)
        self._bill.on_use(self._model, usage, 1)
        self._usage = usage
