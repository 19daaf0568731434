"""Does an agent stay up, small and truthful, whatever is sent to each of its endpoints, bodies of 100 MB included?"""

from __future__ import annotations

import http.client
import json
import random
import subprocess
import sys
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from tests.agent.spans.test_badinput import KINDS
from tests.benchmarks import household
from tests.soak.figure import Claim, Figure, Progress, silently
from tests.soak.goodrequests import ENVIRON, HELD, LIVE, POLICY, UNWAITED, Good, good_requests
from tests.soak.mutation import Bad, changed, monsters, riches
from tests.soak.wires import answered, broken, cut_short, huge

from bursar.agent.batching.routes import MOST_BYTES
from bursar.policies import deferral, protocol

MOST_MEGABYTES = 768
"""What the agent may have in memory at the most."""
MONSTERS_EVERY = 5_000
MEGABYTES = 100
UNDERSTOOD = {0, 200, 201, 303, 400, 403, 404, 405, 413, 415, 429, 503}
"""Statuses of an agent that is well; 0 where it hung up, or holds a request until there is something to tell."""
HELD_SECONDS = 0.5
_ANSWER_SECONDS = 300
_SALT = "00" * 16

Answers = defaultdict[str, Counter[int]]
"""Statuses by path."""


def measure(requests: int, *, first: int = 0, progress: Progress = silently) -> Figure:
    """So many mutated requests, and all that is too much once for every `MONSTERS_EVERY` of them, to a real agent."""
    answers: Answers = defaultdict(Counter)
    with TemporaryDirectory() as name:
        folder = Path(name)
        with household.agent(folder, policy=POLICY, environ=ENVIRON) as url:
            goods = [good for good in good_requests(salt_of(url)) if good.path != LIVE]
            before = memory(url)
            for number in range(first, first + requests):
                rng = random.Random(number)
                good = rng.choice(goods)
                _note(answers, url, changed(good.path, good.method, good.body, good.kind, rng))
                if (number - first) % MONSTERS_EVERY == 0:
                    _overdo(answers, url)
                progress(number - first + 1, requests)
            well = all(_is_taken(url, good) for good in good_requests(salt_of(url), mark="after"))
            most = memory(url)["VmHWM"]
        wrong = _check(folder / household.LEDGER)
    return Figure(
        name="badinput",
        title=f"Bad input: {before['VmRSS']} MB at first, {most} MB at the most",
        columns=("endpoint", "requests", "answers"),
        rows=[(path, f"{found.total():,}", _told(found)) for path, found in sorted(answers.items())],
        claims=(
            Claim("no answer is a 500", all(set(found) <= UNDERSTOOD for found in answers.values())),
            Claim("every endpoint takes a good request afterwards", well),
            Claim(f"it never had more than {MOST_MEGABYTES} MB", most <= MOST_MEGABYTES),
            Claim("every sum of the ledger is right", not wrong),
        ),
        repeat=(f"python -m tests.soak badinput --seeds {requests} --first {first}",),
        numbers={"answers": {path: _plain(found) for path, found in answers.items()}, "megabytes": most},
    )


def salt_of(url: str) -> str:
    """Under which the agent knows credentials: as it tells a process that comes for the first time."""
    hello = protocol.SyncRequest(protocol.Holder("bad-input", 1, "elsewhere", 1), 1)
    asked = urllib.request.Request(f"{url}{protocol.PATH}", json.dumps(protocol.to_json(hello)).encode())
    with urllib.request.urlopen(asked, timeout=_ANSWER_SECONDS) as answer:
        snapshot = protocol.response_from_json(json.load(answer)).snapshot
    return "" if snapshot is None else snapshot.salt


def memory(url: str) -> Mapping[str, int]:
    """Megabytes that the agent at an address has, and had at the most."""
    found = subprocess.run(
        ["pgrep", "-f", f"bursar.agent agent.*{urlsplit(url).netloc}"], check=True, capture_output=True, text=True
    )
    status = Path(f"/proc/{found.stdout.split()[0]}/status").read_text()
    lines = (line.split() for line in status.splitlines())
    return {words[0].rstrip(":"): int(words[1]) // 1024 for words in lines if words[0] in ("VmHWM:", "VmRSS:")}


def _overdo(answers: Answers, url: str) -> None:
    """What is too much for each endpoint, and what breaks on its way there."""
    for path in KINDS:
        for bad in monsters(path, megabytes=MEGABYTES):
            _note(answers, url, bad)
    for good in _each(good_requests(_SALT)):
        seconds = HELD_SECONDS if good.path in HELD else _ANSWER_SECONDS
        answers[good.path].update(answered(url, [raw], seconds=seconds) for _, raw in broken(good))
        answers[good.path].update(answered(url, [raw], seconds=seconds, ends=True) for _, raw in cut_short(good))
        if good.method == "POST":
            for chunked in (False, True):
                answers[good.path][answered(url, huge(good, megabytes=MEGABYTES, chunked=chunked))] += 1
            size = MOST_BYTES if good.path == deferral.PATH else 2**23 - 1
            for bad in riches(good.path, "records", size):
                _note(answers, url, bad)


def _each(goods: Sequence[Good]) -> Iterator[Good]:
    """One for each endpoint."""
    yield from {(good.endpoint, good.method): good for good in goods}.values()


def _note(answers: Answers, url: str, bad: Bad) -> None:
    answers[bad.path.partition("?")[0]][_status(url, bad)] += 1


def _status(url: str, bad: Bad) -> int:
    """What it answers; a body that is refused by its length alone may be cut off in the sending."""
    seconds = HELD_SECONDS if bad.path in HELD else _ANSWER_SECONDS
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=seconds)
    with suppress(BrokenPipeError, ConnectionResetError, TimeoutError):  # the answer may be there all the same
        connection.request(bad.method, bad.path, bad.body, dict(bad.headers))
    try:
        return connection.getresponse().status
    except TimeoutError:
        return 0
    except (http.client.HTTPException, ConnectionError):
        return 413 if len(bad.body) > 2**22 else 500
    finally:
        connection.close()


def _is_taken(url: str, good: Good) -> bool:
    """Nobody cancels a batch that is none, and a process that waits for a recall waits."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=_ANSWER_SECONDS)
    if good.path in UNWAITED:
        return True
    connection.request(good.method, good.path, good.body, {"content-type": good.kind})
    status = connection.getresponse().status
    connection.close()
    return status in (200, 201, 303, 404, 429)


def _check(ledger: Path) -> str:
    command = [sys.executable, "-m", "bursar.agent", "db", "check", "--db", str(ledger)]
    told = subprocess.run(command, check=False, capture_output=True, text=True)
    return told.stdout + told.stderr if told.returncode else ""


def _told(found: Counter[int]) -> str:
    return ", ".join(f"{status or 'none'}: {times:,}" for status, times in sorted(found.items()))


def _plain(found: Counter[int]) -> dict[str, int]:
    return {str(status): times for status, times in found.items()}
