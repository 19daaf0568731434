"""Does an agent stay up, small and truthful under mutated exports, gzip bombs, deep nesting and bodies of 100 MB?"""

from __future__ import annotations

import http.client
import json
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from tests.agent.spans.test_badinput import KINDS, good_exports
from tests.benchmarks import household
from tests.soak.figure import Claim, Figure, Progress, silently
from tests.soak.mutation import JSON, Bad, monsters, mutated

MOST_MEGABYTES = 1024
"""What the agent may have in memory at the most."""
MONSTERS_EVERY = 2_000
MEGABYTES = 100
_ANSWER_SECONDS = 300


def measure(requests: int, *, first: int = 0, progress: Progress = silently) -> Figure:
    """So many mutated exports, and each monster once for every `MONSTERS_EVERY` of them, against a real agent."""
    exports = list(good_exports())
    statuses: Counter[int] = Counter()
    with TemporaryDirectory() as name:
        folder = Path(name)
        with household.agent(folder) as url:
            before = _memory(url)
            for number in range(first, first + requests):
                rng = random.Random(number)
                statuses[_status(url, mutated(*rng.choice(exports), rng))] += 1
                if (number - first) % MONSTERS_EVERY == 0:
                    for path in KINDS:
                        statuses.update(_status(url, one) for one in monsters(path, megabytes=MEGABYTES))
                progress(number - first + 1, requests)
            good = _status(url, Bad("/v1/traces", b"{}", {"content-type": JSON}))
            most = _memory(url)["VmHWM"]
        total = _report(folder / household.LEDGER)
    told = ", ".join(f"{status}: {times:,}" for status, times in sorted(statuses.items()))
    return Figure(
        name="badinput",
        title="Bad input",
        columns=("requests", "answers", "memory at first", "at most", "charges"),
        rows=[
            (f"{statuses.total():,}", told, f"{before['VmRSS']} MB", f"{most} MB", f"{total['charges']:,}"),
        ],
        claims=(
            Claim("no answer is a 500, and none is missing", not set(statuses) - {200, 400, 413, 415, 429}),
            Claim("the agent takes a good export afterwards", good == 200),
            Claim(f"it never had more than {MOST_MEGABYTES} MB", most <= MOST_MEGABYTES),
            Claim("the ledger still adds up", total["nano_usd"] >= 0),
        ),
        repeat=(f"python -m tests.soak badinput --seeds {requests} --first {first}",),
        numbers={"statuses": {str(status): times for status, times in statuses.items()}, "megabytes": most},
    )


def _status(url: str, bad: Bad) -> int:
    """What it answers; 0 for nothing. A body that is refused by its length alone may be cut off in the sending."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=_ANSWER_SECONDS)
    with suppress(BrokenPipeError, ConnectionResetError):  # the answer may be there all the same
        connection.request("POST", bad.path, bad.body, dict(bad.headers))
    try:
        return connection.getresponse().status
    except (http.client.HTTPException, ConnectionError):
        return 413 if len(bad.body) > 2**24 else 0
    finally:
        connection.close()


def _memory(url: str) -> Mapping[str, int]:
    """Megabytes that the agent has, and had at the most."""
    found = subprocess.run(
        ["pgrep", "-f", f"bursar.agent agent.*{urlsplit(url).netloc}"], check=True, capture_output=True, text=True
    )
    status = Path(f"/proc/{found.stdout.split()[0]}/status").read_text()
    lines = (line.split() for line in status.splitlines())
    return {words[0].rstrip(":"): int(words[1]) // 1024 for words in lines if words[0] in ("VmHWM:", "VmRSS:")}


def _report(ledger: Path) -> dict[str, int]:
    command = [sys.executable, "-m", "bursar.agent", "report", "--json", "--db", str(ledger)]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    total: dict[str, int] = json.loads(told)["total"]
    return total
