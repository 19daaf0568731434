"""Several processes, one agent and a provider, in an order that one seed decides, with everything that can go wrong."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.soak.accounts import Accounts, Desk
from tests.soak.calls import Calls
from tests.soak.checks import Checks
from tests.soak.premises import Clock, instant, read_policy
from tests.soak.process import Post, Process
from tests.soak.provider import Provider
from tests.soak.turns import Killed, Stage, Strand

START = "2026-11-21T22:59:30+00:00"
"""Half a minute before an hour ends, and an hour before a day does."""
NETWORK = ("well", "lost", "answer lost", "slow", "doubled", "agent dies before", "agent dies after")
NETWORK_ODDS = (78, 4, 4, 4, 8, 1, 1)


class Wire(Post):
    """One process's way to the agent; what is lost, late and doubled is drawn anew for every message."""

    def __init__(self, world: World, process_name: str) -> None:
        self._world = world
        self._name = process_name

    def carry(self, body: bytes) -> Any:
        world = self._world
        fate = world.rng.choices(NETWORK, NETWORK_ODDS)[0] if world.rough else "well"
        world.seen[f"message {fate}"] += 1
        if fate == "slow":
            world.late.append(body)
            raise TimeoutError
        try:
            world.stage.pause("request")
        except Killed:
            if world.rng.random() < 0.5:
                world.late.append(body)  # it was on the wire already
            raise
        if fate == "lost":
            raise TimeoutError
        answer = world.accounts.receive(body, dies=fate.removeprefix("agent dies ") if "dies" in fate else "")
        if fate == "doubled":
            world.late.append(body)
        world.stage.pause("answer")
        if fate == "answer lost":
            raise TimeoutError
        return answer


class World:
    """One schedule. `extra` are steps of a broken variant that the shipped code would never take."""

    def __init__(self, seed: int, folder: Path, extra: Callable[[World], object] | None = None) -> None:
        self.rng = random.Random(seed)
        self.folder = folder
        self.rough = True
        """Whether messages may still be lost."""
        self.seen = Counter[str]()
        self.stage = Stage()
        self.late: list[bytes] = []
        self.clock = Clock(start_ns=instant(START))
        self.provider = Provider()
        self.policy = read_policy(_policy(self.rng))
        self.processes: list[Process] = []
        self.gone: dict[str, Process] = {}
        self.checks = Checks(self.provider, self.processes, self.gone)
        self.accounts = Accounts(self.policy, self.clock, self.checks.told)
        self.checks.accounts = self.accounts
        self.calls = Calls(self)
        self._births = 0
        self._extra = extra
        self._adopting: Strand | None = None

    def run(self, steps: int) -> None:
        """The whole schedule, checked after every step, and its end. Raises `BrokenRule`."""
        for _ in range(steps):
            self.checks.after_step(self.step())
        self.end()
        self.checks.at_end()

    def forget(self) -> None:
        """Let go of everything, wherever it stands."""
        for process in {*self.processes, *self.gone.values()}:
            self._exit(process)
        self.stage.kill(self.accounts)
        self.accounts.close()

    def step(self) -> Process | None:
        """One small step of somebody; of which process, where it was one's own thread."""
        while len(self.processes) < 3:
            self._births += 1
            name = f"p{self._births}"
            made = Process(name, self.folder, self.policy, Wire(self, name), self.clock, self.stage)
            self.processes.append(made)
        if self.stage.strands and self.rng.random() < 0.75:
            return self._go_on(self.rng.choice(self.stage.strands))
        process = self.rng.choice(self.processes)
        act = self.rng.choices(
            (
                self.call,
                self.beat,
                self.deliver_late,
                self.pass_time,
                self.set_clock,
                self.kill,
                self.adopt,
                self.leave,
            ),
            (500, 200, 120, 80, 20, 12, 40, 5),
        )[0]
        act(process)
        return None

    def end(self) -> None:
        """The storm is over: what is under way ends, everybody leaves or dies, and the dead are recovered."""
        self.rough = False
        for process in tuple(self.processes):
            if self.rng.random() < 0.3:
                self.kill(process)
        self._let_all_end()
        for process in tuple(self.processes):
            (self.leave if self.rng.random() < 0.5 else self.kill)(process)
        self._let_all_end()
        for _ in range(3):  # an empty journal is left until the next look
            self.adopt(None)
            self._let_all_end()
        while self.late:
            self.deliver_late(None)
        self.adopt(None)
        self._let_all_end()

    def call(self, process: Process) -> None:
        """Somebody makes a call."""
        self.stage.begin(lambda: self.calls.call(process), process)

    def beat(self, process: Process) -> None:
        """The background of a process speaks."""
        nudged = [one for one in self.processes if one.sync.nudged]
        speaker = self.rng.choice(nudged) if nudged else process
        self.stage.begin(speaker.sync.beat, speaker)

    def deliver_late(self, _: object) -> None:
        """A message arrives that its sender has given up, or one a second time."""
        if self.late:
            body = self.late.pop(self.rng.randrange(len(self.late)))
            if self.rough and self.rng.random() < 0.2:
                self.late.append(body)
            self.accounts.receive(body)

    def pass_time(self, _: object) -> None:
        """Nothing happens for a while: moments mostly, sometimes long enough for money to lie idle."""
        self.clock.seconds += self.rng.choice((0.01, 0.1, 0.5, 1.5, 12.0))

    def set_clock(self, _: object) -> None:
        """Somebody sets the wall clock, back or forth."""
        self.clock.offset += self.rng.choice((-90_000, -3_600, -30, -1, 1, 30, 3_600, 90_000))

    def kill(self, process: Process) -> None:
        """SIGKILL, in the middle of whatever it does."""
        self.seen["killed"] += 1
        self._remove(process)
        process.dead = True
        if process.lines_due and self.rng.random() < 0.5:
            line = self.rng.choice(process.lines_due)
            _tear(process.journal.path, line[: self.rng.randrange(len(line))])
        self._exit(process)

    def adopt(self, _: object) -> None:
        """The agent looks for journals of the dead; killed in the midst of it, another begins anew."""
        if self._adopting is not None and not self._adopting.over:
            if self.rng.random() < 0.3 and self.rough:
                self.stage.kill(self.accounts)
            return
        adoption = Desk(self.accounts, self.stage).adoption(self.folder)

        def run() -> None:
            for _ in range(2):
                adoption.run()

        self._adopting = self.stage.begin(run, self.accounts)
        if self._extra is not None:
            self._extra(self)

    def leave(self, process: Process) -> None:
        """A process ends as it should, with whatever its other threads have under way."""
        self._remove(process)

        def run() -> None:
            process.close()
            self._exit(process)

        self.seen["left"] += 1
        self.stage.begin(run, process)

    def _remove(self, process: Process) -> None:
        self.processes.remove(process)
        self.gone[process.name] = process

    def _exit(self, process: Process) -> None:
        """The process is gone, and with it whatever its other threads were at."""
        process.dead = True
        process.journal.close(remove=False)
        self.stage.kill(process)

    def _let_all_end(self) -> None:
        for _ in range(100_000):
            if not self.stage.strands:
                return
            self.checks.after_step(self._go_on(self.rng.choice(self.stage.strands)))
            self.clock.seconds += 0.01
        raise AssertionError(f"never ends: {[(strand.at, strand.owner) for strand in self.stage.strands]}")

    def _go_on(self, strand: Strand) -> Process | None:
        self.stage.step(strand)
        return strand.owner if isinstance(strand.owner, Process) else None


def _policy(rng: random.Random) -> str:
    """One to three hard budgets over every call, some with an overdraft, and so small that they matter."""
    budgets = [("all", "day", ""), ("tenants", "hour", 'per = ["tenant"]'), ("models", "month", 'per = ["model"]')]
    chosen = rng.sample(budgets, rng.randint(1, 3))
    overdraft = rng.choice((0, 0, 0.01))
    lines = ['version = 1\nmode = "enforce"\non_unreachable = "closed"\n']
    for name, every, per in chosen:
        limit = rng.choice((0.02, 0.05, 0.12, 0.4))
        lines.append(
            f'[[budget]]\nname = "{name}"\n{per}\nlimit = "{limit} USD"\nevery = "{every}"\n'
            f'overdraft = "{overdraft} USD"\npatience = "{rng.choice((0, 0.1))}s"\n'
            f'fit = "{rng.choice(("trim", "asked"))}"\n'
            '[budget.at]\n"100%" = "block"\n'
        )
    return "".join(lines)


def _tear(journal: Path, half: bytes) -> None:
    """Half of a line, as a crash in the midst of writing it leaves it."""
    if journal.exists():
        with journal.open("ab") as file:
            file.write(half)
