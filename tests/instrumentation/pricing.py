"""A stage for the guard: three models at round prices, and a request whose bound is round too."""

from __future__ import annotations

from typing import Any

from bursar.policies.pricefile import parse_book

BOOK = parse_book(
    """
[[model]]
id = "big"
generation = "1"
tokenizer = "new"
context_window = 50_000
max_output = 32_000
input = 4
cache_read = 0.2
cache_write_5m = 5
cache_write_1h = 8
output = 20

[[model]]
id = "mid"
generation = "1"
tokenizer = "new"
context_window = 50_000
max_output = 32_000
input = 2
cache_read = 0.1
cache_write_5m = 2.5
cache_write_1h = 4
output = 10

[[model]]
id = "small"
generation = "1"
tokenizer = "new"
context_window = 50_000
max_output = 16_000
input = 1
cache_read = 0.05
cache_write_5m = 1.25
cache_write_1h = 2
output = 5
""",
    source="a test",
)

# 893 bytes of text, 43 of JSON around it and 64 tokens of frame: 1,000 tokens of input at most, 439 expected.
BODY: dict[str, Any] = {
    "model": "big",
    "max_tokens": 10_000,
    "messages": [{"role": "user", "content": "x" * 893}],
}
# Nano-dollars (4 USD a million is 4,000 a token): all of it; cut to 1,024 tokens of output; expected with as many.
WORST = {
    "big": 1_000 * 4_000 + 10_000 * 20_000,
    "mid": 1_000 * 2_000 + 10_000 * 10_000,
    "small": 1_000 * 1_000 + 10_000 * 5_000,
}
LEAST = {
    "big": 1_000 * 4_000 + 1_024 * 20_000,
    "mid": 1_000 * 2_000 + 1_024 * 10_000,
    "small": 1_000 * 1_000 + 1_024 * 5_000,
}
EXPECTED = {
    "big": 439 * 4_000 + 1_024 * 20_000,
    "mid": 439 * 2_000 + 1_024 * 10_000,
    "small": 439 * 1_000 + 1_024 * 5_000,
}

NOON = 1_795_348_800 * 10**9
"""2026-11-22T12:00:00Z."""
