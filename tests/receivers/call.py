"""Which call is sent to receivers, and what is it to cost?"""

from __future__ import annotations

import anthropic
import httpx2
from opentelemetry.sdk.trace import TracerProvider

MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-5-5",
    "content": [{"type": "text", "text": "yes"}],
    "stop_reason": "end_turn",
    "usage": {
        "input_tokens": 100,
        "cache_read_input_tokens": 2000,
        "cache_creation_input_tokens": 500,
        "cache_creation": {"ephemeral_5m_input_tokens": 300, "ephemeral_1h_input_tokens": 200},
        "output_tokens": 42,
    },
}
TOKENS = (2600, 42)
COST = 100 * 2_000 + 2000 * 100 + 300 * 2_500 + 200 * 4_000 + 42 * 10_000
"""In nano-dollars, at 2, 0.10, 2.50, 4 and 10 USD a million tokens."""
OTHER_COST = COST - 200 * (4_000 - 2_500)
"""Of a receiver that has no price for writes of an hour."""


PLAIN_COST = (100 + 500) * 2_000 + 2000 * 100 + 42 * 10_000
"""Of a receiver that does not know the name under which the SDK tells of cache writes."""


def make_call(provider: TracerProvider) -> None:
    """One call of the real SDK, answered by `MESSAGE`, traced by the provider."""
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, json=MESSAGE))
    with httpx2.Client(transport=transport) as http_client:
        client = anthropic.Anthropic(api_key="k", http_client=http_client, open_telemetry={"tracer_provider": provider})
        client.messages.create(
            model="claude-sonnet-5-5", max_tokens=10, messages=[{"role": "user", "content": "hello"}]
        )
