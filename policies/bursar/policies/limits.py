"""Which `max_tokens` may a request have had, told from the two bounds that were held for it?"""

from __future__ import annotations

from collections.abc import Iterator

from bursar.policies.book import Rates
from bursar.policies.usage import Usage

_PICO_PER_NANO = 1_000


def limits_that_fit(bound_nano: int, bound_tokens: int, rates: Rates, usage: Usage) -> Iterator[int]:
    """
    Every `max_tokens` m that explains the bounds of a request whose prompt was bounded by i tokens; often one or none.

    Held were i + m tokens and ceil(i p + m o) nano-dollars (see `estimate.bound`), with p the price of a prompt's token
    and o that of output. Which p it was, fresh or written to the cache for either time, is told by what the cache did;
    where it was only read, or written for five minutes, two may fit. Used tokens must be within i and m; a request
    with web searches, whose fees are in the bound too, fits none.
    """
    for each in dict.fromkeys(_prices(rates, usage)):
        if rates.output <= each:
            continue
        most = (bound_nano * _PICO_PER_NANO - bound_tokens * each) // (rates.output - each)
        held = -(-((bound_tokens - most) * each + most * rates.output) // _PICO_PER_NANO)
        if held == bound_nano and usage.output <= most <= bound_tokens - usage.prompt:
            yield most


def _prices(rates: Rates, usage: Usage) -> tuple[int, ...]:
    if usage.cache_write_1h:
        return (rates.cache_write_1h,)
    if usage.cache_write_5m or usage.cache_read:
        return rates.cache_write_5m, rates.cache_write_1h
    return (rates.input,)
