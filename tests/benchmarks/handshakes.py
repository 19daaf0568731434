"""
Forks while four threads shake hands with an agent: `python -m tests.benchmarks.handshakes [--forks N] [--bare]`.

Each child makes one exchange over TLS of its own, and is given five seconds. `--bare` leaves out that a fork waits for
threads which are in OpenSSL.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import threading
from contextlib import nullcontext
from pathlib import Path
from unittest import mock

from tests.certificates import authority
from tests.instrumentation.test_dial import agent

from bursar.instrumentation import tls
from bursar.instrumentation.dial import Dial
from bursar.instrumentation.link import AgentLink, Unreachable
from bursar.policies.agentaddress import read_agent_address

THREADS = 4
CHILD_SECONDS = 5


class Open(nullcontext[None]):
    """A lock that holds nobody up."""

    def acquire(self) -> None:
        """At once."""

    def release(self) -> None:
        """Nothing was held."""


def exchange(url: str, ca_file: Path) -> None:
    """One, over a connection of its own, with trust read anew."""
    link = AgentLink(Dial(read_agent_address(url), ca_file), None)
    link.post("/", b"{}", seconds=CHILD_SECONDS - 1)
    link.close()


def storm(url: str, ca_file: Path, forks: int) -> tuple[int, int]:
    """Children that did not come through, and exchanges made beside them."""
    ended, made = threading.Event(), [0] * THREADS

    def shake(number: int) -> None:
        while not ended.is_set():
            exchange(url, ca_file)
            made[number] += 1

    threads = [threading.Thread(target=shake, args=(number,), daemon=True) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    hung = sum(not came_through(url, ca_file) for _ in range(forks))
    ended.set()
    for thread in threads:
        thread.join()
    return hung, sum(made)


def came_through(url: str, ca_file: Path) -> bool:
    """Whether a child did."""
    child = os.fork()
    if child == 0:
        signal.alarm(CHILD_SECONDS)
        try:
            exchange(url, ca_file)
        except Unreachable:
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def served(folder: Path) -> tuple[int, str, Path]:
    """An agent in a process of its own: its id, its URL, and whom to trust."""
    ca, (told, telling) = authority(folder), os.pipe()
    child = os.fork()
    if child == 0:
        with agent(ca.issue("agent")) as url:
            os.write(telling, url.encode())
            signal.pause()
    return child, os.read(told, 100).decode(), ca.file


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--forks", type=int, default=150)
    parser.add_argument("--bare", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server, url, ca_file = served(Path(folder))
        bare = mock.patch.object(tls, "_in_openssl", Open()) if given.bare else nullcontext()
        try:
            with bare:
                hung, made = storm(url, ca_file, given.forks)
        finally:
            os.kill(server, signal.SIGKILL)
            os.waitpid(server, 0)
    sys.stdout.write(f"{hung} of {given.forks} children hung, beside {made} exchanges of {THREADS} threads\n")


if __name__ == "__main__":
    main()
