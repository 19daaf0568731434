"""What must be true of the accounts after every step, and at the end, whatever happened?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.soak.accounts import Accounts
from tests.soak.process import Process
from tests.soak.provider import Provider, Sending

from bursar.policies.balancekey import Kind, kind_of, told_of
from bursar.policies.protocol import Need, SyncRequest, SyncResponse, Verdict

FINISHED = {"settled", "released", "orphaned"}


class BrokenRule(AssertionError):  # noqa: N818 - reads as what it is where it is caught
    """A rule that a step broke; the text says which, where, and by how much."""


def require(true: bool, text: str) -> None:
    """Raise `BrokenRule` with this text unless it is true."""
    if not true:
        raise BrokenRule(text)


def least_of(need: Need, balance: str) -> dict[str, int]:
    """What a need cannot do without of a balance and of its twin, if it has one: nano-dollars by key."""
    asked = (key for key in need.balances if told_of(key) == balance)
    return {key: min(need.expected, need.least) if kind_of(key) is Kind.EXPECTED else need.least for key in asked}


class Checks:
    """Compares the ledger with the provider's truth, and each process with both."""

    accounts: Accounts

    def __init__(self, provider: Provider, living: Sequence[Process], gone: Mapping[str, Process]) -> None:
        self._provider = provider
        self._living = living
        self._gone = gone
        self._ceilings: dict[str, int] = {}
        self._changes = self._moves = -1
        self._lent: dict[tuple[str, str], int] = {}
        self.journalled: dict[str, tuple[Process, tuple[str, ...], int]] = {}
        """Attempts that were about to be sent: by whom, out of which balances, at which bound."""

    def after_step(self, process: Process | None) -> None:
        """The invariant, in every balance; the fold; and the one that moved holds nothing that it has not."""
        if self.accounts.changes != self._changes:
            self._changes = self.accounts.changes
            self._check_ledger()
        if self._provider.moves != self._moves:
            self._moves = self._provider.moves
            for key, exposure in self._provider.exposure.items():
                ceiling = self._ceilings.get(key)
                require(ceiling is not None and exposure <= ceiling, f"{key}: {exposure} may be billed, of {ceiling}")
        if process is not None:
            for key in self._ceilings:
                free = process.leases.free(key)
                require(free >= 0, f"{process.name} has {free} free of {key}")
            if process in self._living:
                self._check_process(process)

    def _check_process(self, process: Process) -> None:
        """What a process believes to be lent to it the agent knows to be: nobody else can be lent that."""
        for key, amount in process.lent().items():
            lent = self._lent.get((process.name, key), 0)
            require(amount <= lent, f"{process.name} goes by {amount} of {key}, of which {lent} are lent to it")

    def _check_ledger(self) -> None:
        self._lent = self.accounts.lent()
        for process in self._living:
            self._check_process(process)
        for key, row in self.accounts.rows().items():
            require(row.spent == row.folded, f"{key} says {row.spent} spent, its postings say {row.folded}")
            if row.ceiling is not None:
                self._ceilings[key] = row.ceiling
                due = row.spent + row.out
                require(row.out >= 0, f"{key}: {row.out} out")
                require(due <= row.ceiling, f"{key}: {row.spent} spent and {row.out} lent of {row.ceiling}")

    def told(self, request: SyncRequest, response: SyncResponse) -> None:
        """
        No refusal for money that is spent while what is unspent would do.

        A balance that may be overdrawn has to hold the worst case under its ceiling, and the expectation under its
        limit: either alone is reason enough.
        """
        needs = {need.attempt_id: need for need in request.needs}
        for answer in response.answers:
            if answer.verdict is Verdict.REFUSED:
                spent, least = self._spent(answer.balance), least_of(needs[answer.attempt_id], answer.balance)
                unspent = {key: (self.accounts.ceiling(key) or 0) - spent for key in least}
                fits = all(unspent[key] >= amount for key, amount in least.items())
                require(not fits, f"refused {least}, where {unspent} are unspent")

    def at_end(self) -> None:
        """Everything is accounted for, once; nothing is set aside, and nothing is out."""
        self.after_step(None)
        require(not self.accounts.holds(), f"holds leaked: {self.accounts.holds()}")
        require(not self.accounts.leases_out(), f"leases leaked: {self.accounts.leases_out()}")
        states, posted = self.accounts.attempts(), self.accounts.posted()
        unfinished = {attempt: state for attempt, state in states.items() if state not in FINISHED}
        require(not unfinished, f"never finished: {unfinished}")
        for attempt, sending in self._provider.sendings.items():
            require(attempt in states, f"{attempt} was sent, and the ledger does not know it")
            counted = posted.get(attempt, {})
            for key in sending.keys:
                self._check_counted(attempt, sending, counted.get(key))
        for attempt, counted in posted.items():
            bound = self.journalled[attempt][2]
            unsent = attempt not in self._provider.sendings
            require(not unsent or set(counted.values()) == {bound}, f"{attempt} never left and counts as {counted}")

    def _check_counted(self, attempt: str, sending: Sending, nano: int | None) -> None:
        if sending.told:
            allowed: set[int | None] = {sending.cost}
        elif sending.freed:
            allowed = {None}
        else:
            allowed = {sending.bound, sending.cost if not sending.may_bill else sending.bound}
            # Killed between the line and the flag of it: an error may have been written down already.
            allowed |= {None} if not sending.may_bill and sending.cost == 0 else set()
        require(nano in allowed, f"{attempt} counts as {nano}, not one of {allowed}")

    def _spent(self, key: str) -> int:
        """The most that the ledger can rightly say is spent of a balance."""
        total = 0
        for attempt, (process, keys, bound) in self.journalled.items():
            sending = self._provider.sendings.get(attempt)
            if key not in keys or (sending is not None and sending.freed):
                continue
            if sending is not None and sending.told:
                total += sending.cost
            elif process.name in self._gone or sending is not None:
                total += bound
        return total
