"""How are fingerprints made without a caller noticing? In a thread of their own, within a budget of CPU time."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from queue import Empty, SimpleQueue

from bursar.instrumentation.answered import Answered
from bursar.instrumentation.cpubudget import CpuBudget
from bursar.instrumentation.fingerprint import Hashing
from bursar.instrumentation.lastprompts import LastPrompts
from bursar.instrumentation.link import Unreachable
from bursar.instrumentation.printpost import Link, PrintPost
from bursar.instrumentation.promptblocks import prompt_of
from bursar.instrumentation.quiet import quiet, tell_once
from bursar.instrumentation.rules import Rules
from bursar.instrumentation.sampling import Sampling, opening
from bursar.policies.fingerprint import Fingerprint

TICK_SECONDS = 1.0
"""How long prompts are gathered before they are looked at, and fingerprints before they are told."""
BEHIND_SECONDS = 10.0
"""How long the oldest prompt may wait before fewer conversations are looked at."""
AWAY_SECONDS = 10.0
"""How long an agent that does not answer is left alone."""
MOST = 1_024
"""Prompts that may wait, and bytes of them in all. At half of either the worker is woken before its time."""
MOST_BYTES = 16 * 2**20
LARGE_BYTES = 4 * 2**20
"""A prompt beyond that is not looked at: it would hold up the application's threads for too long at once."""


class Fingerprinting:
    """
    A queue that callers append to, and a thread that works it off once a second.

    Of what its budget does not allow it looks at fewer conversations, and at each of these whole: see `Sampling`. A
    prompt that the queue has no room for is lost, and so is the trust in whatever was under way. Nothing readable
    leaves it.
    """

    def __init__(
        self,
        link: Link,
        holder: Callable[[], str],
        rules: Callable[[], Rules],
        clock: Callable[[], float] = time.perf_counter,
        cpu: Callable[[], float] = time.thread_time,
        *,
        threaded: bool = True,
    ) -> None:
        """`threaded`: ticks in a thread of its own; else whoever made it does."""
        self._threaded = threaded
        self._link = link
        self._rules = rules
        self._clock = clock
        self._cpu = cpu
        self._queue: deque[Answered] = deque()
        self._queued = 0
        """Bytes in the queue; two threads may miscount, until the next tick."""
        self._lost_ns: int | None = None
        """When the last prompt was lost, untold so far."""
        self._budget = CpuBudget(clock)
        self._sampling = Sampling(clock)
        self._post = PrintPost(link, holder, lambda conversation: self._sampling.lost_of(conversation, self._clock()))
        self._key = ""
        self._hashing: Hashing | None = None
        self._prompts = LastPrompts()
        self._away_until = float("-inf")
        # Destructors append at any bytecode: of the standard library's signals only this queue takes that.
        self._signal: SimpleQueue[None] = SimpleQueue()
        self._woken = False
        self._working = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._thread_lock = threading.RLock()  # a destructor may settle a stream while this thread starts it

    @property
    def share(self) -> float:
        """The share of conversations that is looked at."""
        return self._sampling.share

    @property
    def spent(self) -> float:
        """Seconds of CPU that all this took so far."""
        return self._budget.spent

    @property
    def waiting(self) -> int:
        """How many prompts wait to be looked at."""
        return len(self._queue)

    def take(self, answered: Answered) -> None:
        """Look at a prompt some time later. Cheap, never waits; safe from destructors."""
        size = len(answered.content)
        if len(self._queue) >= MOST or self._queued + size > MOST_BYTES:
            self._lost_ns = max(self._lost_ns or 0, answered.sent_ns)
            return
        self._queue.append(answered)
        self._queued += size
        if self._thread is None and self._threaded:
            self._start()
        if not self._woken and (len(self._queue) > MOST // 2 or self._queued > MOST_BYTES // 2):
            self._wake()

    def tick(self) -> None:
        """What is done once a second: look at what waits, as far as the budget goes, and tell it."""
        with self._working:
            self._work(lambda: self._budget.left)
            self._keep_up()
            if self._clock() >= self._away_until:
                self._ship()

    def flush(self, seconds: float) -> bool:
        """Look at all that waits and tell it, now, whatever the budget says; whether all was told in time."""
        until = self._clock() + seconds
        if not self._working.acquire(timeout=seconds):
            return False
        try:
            self._work(lambda: self._clock() < until)
            self._ship(max(until - self._clock(), 0.05))
            return not self._queue and not len(self._post)
        finally:
            self._working.release()

    def close(self, seconds: float) -> None:
        """Stop, telling what can be told within so long."""
        self._stopping.set()
        self._wake()
        if seconds and self._clock() >= self._away_until and (self._queue or len(self._post)):
            with quiet("tell the last fingerprints"):
                self.flush(seconds)
        self._link.close()

    def abandon(self) -> None:
        """Forget the parent's connection after a fork. Its prompts are its own to tell."""
        self._link.abandon()

    def _work(self, may_go_on: Callable[[], bool]) -> None:
        began = self._cpu()
        lost, self._lost_ns = self._lost_ns, None
        if lost is not None:
            self._sampling.lost(lost / 1e9)
            self._sampling.halve(at_once=True)
            self._drop_gone()
        while self._queue and may_go_on():
            answered = self._queue.popleft()
            with quiet("take a fingerprint"):
                self._look(answered)
            now = self._cpu()
            self._budget.spend(now - began)
            began = now
        self._queued = sum(len(one.content) for one in tuple(self._queue))

    def _drop_gone(self) -> None:
        """After a loss, forget what need not be looked at: none of it is worth what little time there is."""
        for _ in range(len(self._queue)):
            answered = self._queue.popleft()
            if not self._sampling.gone(answered.sent_ns / 1e9):
                self._queue.append(answered)

    def _keep_up(self) -> None:
        waiting = tuple(self._queue)[:1]
        if waiting and self._clock() - waiting[0].sent_ns / 1e9 - waiting[0].ttft_ns / 1e9 > BEHIND_SECONDS:
            self._sampling.halve()
        self._sampling.look(self._budget.spent)

    def _look(self, answered: Answered) -> None:
        rules = self._rules()
        hashing = self._hashing_by(rules)
        if hashing is None or (rules.policy is not None and rules.policy.cache_for(answered.route) == "off"):
            return
        sampled = hashing.hash(opening(answered.content))
        if not self._sampling.takes(sampled):
            return
        at = answered.sent_ns / 1e9
        if self._sampling.gone(at):
            return
        if len(answered.content) > LARGE_BYTES:
            self._sampling.lost_of(sampled, at)
            return
        prompt = prompt_of(answered.content)
        whole = self._sampling.whole(sampled, at, begins=prompt.begins)
        if not whole:
            return
        blocks = hashing.blocks(prompt)
        made = Fingerprint(
            attempt_id=answered.attempt_id,
            blocks=blocks,
            conversation=hashing.conversation(blocks),
            share=self._sampling.share,
            ttft_ns=max(answered.ttft_ns, 0),
            automatic=prompt.automatic,
            miss_reason=answered.miss_reason,
            stretches=hashing.stretches(prompt, blocks),
        )
        with quiet("find what broke a prompt's cache"):
            made = replace(made, brk=self._prompts.compare(answered.route, answered.model, prompt, blocks))
        self._post.add(made, sampled)

    def _hashing_by(self, rules: Rules) -> Hashing | None:
        """Under the key in force. A new one makes all that was known under the old one worthless."""
        if rules.fingerprint_key != self._key:
            self._key = rules.fingerprint_key
            self._hashing, self._prompts = None, LastPrompts()
            if self._key:
                try:
                    self._hashing = Hashing(self._key)
                except ValueError:
                    tell_once("fingerprint-key", "bursar: the agent's key for fingerprints is none: there are none")
        return self._hashing

    def _ship(self, seconds: float | None = None) -> None:
        began = self._cpu()
        try:
            self._post.ship(seconds)
        except Unreachable as error:
            self._away_until = self._clock() + AWAY_SECONDS
            tell_once(
                "fingerprints-unreachable", f"bursar: fingerprints wait for the agent, which does not answer: {error}"
            )
        finally:
            self._budget.spend(self._cpu() - began)

    def _start(self) -> None:
        with self._thread_lock:
            if self._thread is None and not self._stopping.is_set():
                self._thread = threading.Thread(target=self._run, name="bursar-fingerprints", daemon=True)
                self._thread.start()

    def _wake(self) -> None:
        self._woken = True
        self._signal.put(None)

    def _run(self) -> None:
        while not self._stopping.is_set():
            with suppress(Empty):
                self._signal.get(timeout=TICK_SECONDS)
            self._woken = False
            with quiet("take fingerprints"):
                if not self._stopping.is_set():  # whoever stops it tells the rest
                    self.tick()
