"""Whatever becomes of Bursar, the application's results, exceptions and their order are what they are without it."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest
from tests.whole.scene import house, program

EVERYTHING = """
import asyncio, os, resource
if os.environ.get("FULL_DISK"):
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
import anthropic
if os.environ.get("WITH_BURSAR"):
    from bursar.instrumentation import instrument
    instrument()

ASK = dict(model="claude-sonnet-5-5", max_tokens=60, messages=[{"role": "user", "content": "Tell me"}])

def case(name, act):
    try:
        print(name, repr(act()), flush=True)
    except Exception as error:
        print(name, type(error).__mro__, error, repr(error.__cause__), flush=True)

def stage(**headers):
    return {"extra_headers": {"x-sandbox-" + name.replace("_", "-"): str(value) for name, value in headers.items()}}

client = anthropic.Anthropic(max_retries=2)
once = anthropic.Anthropic(max_retries=0)
case("create", lambda: client.messages.create(**ASK))
case("stream", lambda: list(client.messages.create(**ASK, stream=True)))
def helper():
    with client.messages.stream(**ASK) as stream:
        return [event.type for event in stream], stream.get_final_message()
case("helper", helper)
def broken():
    with client.messages.stream(**ASK) as stream:
        for event in stream:
            raise KeyError("mine")
case("broken", broken)
case("raw", lambda: client.messages.with_raw_response.create(**ASK).parse())
case("429", lambda: once.messages.create(**ASK, **stage(error=429, retry_after=0)))
case("retried", lambda: client.messages.create(**ASK, **stage(error=529, error_times=1, scene=os.getpid())))
case("500", lambda: once.messages.create(**ASK, **stage(error=500)))
case("midstream", lambda: list(once.messages.create(**ASK, stream=True, **stage(error="midstream"))))
case("cut", lambda: list(once.messages.create(**ASK, stream=True, **stage(error="cut"))))
case("timeout", lambda: once.with_options(timeout=0.3).messages.create(**ASK, **stage(error="hang")))
case("unknown model", lambda: once.messages.create(**{**ASK, "model": "claude-nobody"}))
case("bad argument", lambda: once.messages.create(**ASK, nonsense=1))
case("count", lambda: client.messages.count_tokens(model=ASK["model"], messages=ASK["messages"]))
async def several():
    async with anthropic.AsyncAnthropic(max_retries=0) as client:
        async def one(n):
            return (await client.messages.create(**ASK, **stage(output_tokens=n))).usage.output_tokens
        return await asyncio.gather(*(one(n) for n in range(1, 21)))
case("async", lambda: asyncio.run(several()))
"""

IDS = re.compile(r"(req|msg|toolu)_[A-Za-z0-9]+|0x[0-9a-f]+|127\.0\.0\.1:\d+")


@pytest.mark.parametrize("trouble", ["none", "agent stopped", "agent away", "journal unwritable", "disk full"])
def test_the_application_sees_no_difference(tmp_path: Path, trouble: str) -> None:
    """Fifteen ways of calling and failing, printed as a caller sees them, with Bursar in every kind of trouble."""
    script = program(tmp_path, EVERYTHING)
    with house(tmp_path, limit="1000 USD") as home:
        bare = seen(home.run(script, alone=True))
        home.environ = {"WITH_BURSAR": "1", **({"FULL_DISK": "1"} if trouble == "disk full" else {})}
        if trouble == "journal unwritable":
            (tmp_path / "state").mkdir()
            (tmp_path / "state" / "journal").write_text("a file where a folder should be")
        if trouble == "agent away":
            assert seen(home.run(script)) == bare
            return
        with home.agent() as agent:
            if trouble == "agent stopped":
                agent.send_signal(signal.SIGSTOP)
            assert seen(home.run(script)) == bare


def seen(printed: str) -> list[str]:
    """The lines, without what differs between any two runs: ids, addresses, ports."""
    lines = [IDS.sub("…", line) for line in printed.splitlines()]
    assert len(lines) == 15
    return lines
