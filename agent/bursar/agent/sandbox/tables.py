"""Which models does the sandbox serve, at what prices and limits? By hand, from Anthropic's published price list."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class Fast(StrEnum):
    """What a model makes of `speed: "fast"`."""

    SERVED = "served"  # runs fast, at twice the price
    IGNORED = "ignored"  # accepted, but runs and bills as standard
    REFUSED = "refused"


class Lifecycle(StrEnum):
    """Where a model stands in its life; retired ones are still answered, so that old code can be rehearsed."""

    ACTIVE = "active"
    DEPRECATED = "deprecated"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class Prices:
    """Pico-dollars a token, by token class."""

    input: int
    write_5m: int
    write_1h: int
    read: int
    output: int


@dataclass(frozen=True, slots=True)
class Model:
    """One model: its prices, and the limits that its requests are held to (all in tokens)."""

    id: str
    aliases: tuple[str, ...]
    prices: Prices
    long_prompt: int | None  # a prompt of more tokens than this is charged at `long_prices`, output too
    long_prices: Prices
    min_cache: int
    context: int
    max_output: int
    us_geo: bool
    fast: Fast
    lifecycle: Lifecycle

    def prices_for(self, prompt_tokens: int) -> Prices:
        """The row for a prompt of this length (input, cache reads and cache writes together)."""
        if self.long_prompt is not None and prompt_tokens > self.long_prompt:
            return self.long_prices
        return self.prices


# USD a million tokens: input, 5-minute write, 1-hour write, cache read, output.
# Then: shortest cacheable prefix, context window, longest output.
_SIZE_1M = (1_000_000, 128_000)
_CURRENT = """
claude-fable-5-2             8     10     16    0.20  40     512
claude-mythos-5-2            8     10     16    0.20  40     512
claude-fable-5-1            10   12.5     20    0.25  50     512
claude-mythos-5-1           10   12.5     20    0.25  50     512
claude-fable-5              10   12.5     20    1.00  50     512
claude-mythos-5             10   12.5     20    1.00  50     512
claude-opus-5-5              4      5      8    0.20  20     512
claude-opus-5                5   6.25     10    0.50  25     512
claude-opus-4-8              5   6.25     10    0.50  25    1024
claude-opus-4-7              5   6.25     10    0.50  25    2048
claude-opus-4-6              5   6.25     10    0.50  25    4096
claude-sonnet-5-5            2    2.5      4    0.10  10     512
claude-sonnet-5              2    2.5      4    0.20  10    1024
claude-sonnet-4-6            3   3.75      6    0.30  15    1024
claude-haiku-5-5          0.10  0.125   0.20    0.01  0.50   512
"""
_DATED = """
claude-opus-4-5-20251101     5   6.25     10    0.50  25    4096   64000
claude-opus-4-1-20250805    15  18.75     30    1.50  75    1024   32000
claude-opus-4-20250514      15  18.75     30    1.50  75    1024   32000
claude-sonnet-4-5-20250929   3   3.75      6    0.30  15    1024   64000
claude-sonnet-4-20250514     3   3.75      6    0.30  15    1024   64000
claude-3-7-sonnet-20250219   3   3.75      6    0.30  15    1024   64000
claude-haiku-4-5-20251001    1   1.25      2    0.10   5    4096   64000
claude-3-5-haiku-20241022 0.80   1.00   1.60    0.08   4    2048    8192
claude-3-haiku-20240307   0.25   0.30   0.50    0.03  1.25  2048    4096
"""
_LONG_PROMPTS = {"claude-haiku-5-5": (100_000, "0.50 0.625 1.00 0.05 2.50")}
_ALIASES = {
    "claude-opus-4-5": "claude-opus-4-5-20251101",
    "claude-opus-4-1": "claude-opus-4-1-20250805",
    "claude-opus-4-0": "claude-opus-4-20250514",
    "claude-sonnet-4-5": "claude-sonnet-4-5-20250929",
    "claude-sonnet-4-0": "claude-sonnet-4-20250514",
    "claude-3-7-sonnet-latest": "claude-3-7-sonnet-20250219",
    "claude-haiku-4-5": "claude-haiku-4-5-20251001",
    "claude-3-5-haiku-latest": "claude-3-5-haiku-20241022",
}
_FAST = {
    "claude-fable-5-2": Fast.SERVED,
    "claude-opus-5-5": Fast.SERVED,
    "claude-opus-5": Fast.SERVED,
    "claude-opus-4-8": Fast.SERVED,
    "claude-opus-4-6": Fast.IGNORED,
}
_LIFECYCLE = {
    "claude-opus-4-1-20250805": Lifecycle.RETIRED,
    "claude-opus-4-20250514": Lifecycle.RETIRED,
    "claude-sonnet-4-5-20250929": Lifecycle.DEPRECATED,
    "claude-sonnet-4-20250514": Lifecycle.RETIRED,
    "claude-3-7-sonnet-20250219": Lifecycle.RETIRED,
    "claude-3-5-haiku-20241022": Lifecycle.RETIRED,
    "claude-3-haiku-20240307": Lifecycle.RETIRED,
}


def _prices(columns: list[str]) -> Prices:
    # One dollar a million tokens is a million pico-dollars a token.
    row = [int(Decimal(column) * 1_000_000) for column in columns]
    return Prices(input=row[0], write_5m=row[1], write_1h=row[2], read=row[3], output=row[4])


def _model(line: str, *, dated: bool) -> Model:
    name, *columns = line.split()
    prices = _prices(columns[:5])
    long_prompt, long_columns = _LONG_PROMPTS.get(name, (None, ""))
    context, max_output = (200_000, int(columns[6])) if dated else _SIZE_1M
    return Model(
        id=name,
        aliases=tuple(alias for alias, target in _ALIASES.items() if target == name),
        prices=prices,
        long_prompt=long_prompt,
        long_prices=_prices(long_columns.split()) if long_columns else prices,
        min_cache=int(columns[5]),
        context=context,
        max_output=max_output,
        us_geo=not dated,  # the dateless ids begin with the 4.6 generation, and so does `inference_geo`
        fast=_FAST.get(name, Fast.REFUSED),
        lifecycle=_LIFECYCLE.get(name, Lifecycle.ACTIVE),
    )


def _table() -> Mapping[str, Model]:
    current = [_model(line, dated=False) for line in _CURRENT.strip().splitlines()]
    older = [_model(line, dated=True) for line in _DATED.strip().splitlines()]
    return {model.id: model for model in (*current, *older)}


MODELS: Mapping[str, Model] = _table()


def find_model(name: str) -> Model | None:
    """The model behind an id or alias; point releases match exactly, never by prefix."""
    return MODELS.get(_ALIASES.get(name, name))
