"""Claims about answers that break off, on a server of the test's own so that the last word of the bill is known."""

import asyncio
import threading
import time
from typing import Any

import anthropic

from bursar.agent.sandbox import create_app, serving

ONE_TOKEN_A_MESSAGE: Any = [{"role": "user", "content": "abcd"}]  # and 4 for the role


def test_client_that_goes_away_pays_for_what_was_sent() -> None:
    """A reader who leaves after the third delta is billed for input and 30 tokens, however long the answer."""
    gone = threading.Event()
    waits: list[float] = []

    async def pace(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) > 3:
            await asyncio.to_thread(gone.wait, 5)
            for _ in range(50):  # turns of the loop in which the server learns that the socket is closed
                await asyncio.sleep(0)

    app = create_app(clock=time.time, sleep=pace)
    headers = {"x-sandbox-output-tokens": "1000", "x-sandbox-pace-ms": "1"}
    with serving(app) as url, anthropic.Anthropic(api_key="k", base_url=url, max_retries=0) as client:
        with client.messages.create(
            model="claude-sonnet-5-5",
            max_tokens=1_000,
            messages=ONE_TOKEN_A_MESSAGE,
            stream=True,
            extra_headers=headers,
        ) as stream:
            deltas = 0
            for event in stream:
                deltas += event.type == "content_block_delta"
                if deltas == 3:
                    break
        gone.set()
    assert app.state.bill.totals()["nano_usd"] == 5 * 2_000 + 30 * 10_000
    assert waits == [0.001] * 4


def test_lost_message_is_billed_again_when_retried() -> None:
    """A cut answer and the SDK's retry are two requests on the bill."""
    app = create_app()
    headers = {
        "x-sandbox-output-tokens": "10",
        "x-sandbox-error": "cut",
        "x-sandbox-error-times": "1",
        "x-sandbox-scene": "lost",
    }
    with serving(app) as url, anthropic.Anthropic(api_key="k", base_url=url, max_retries=1) as client:
        client.messages.create(
            model="claude-sonnet-5-5", max_tokens=10, messages=ONE_TOKEN_A_MESSAGE, extra_headers=headers
        )
    assert (app.state.bill.totals()["requests"], app.state.bill.totals()["nano_usd"]) == (2, 2 * 110_000)
