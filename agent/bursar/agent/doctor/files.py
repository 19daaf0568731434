"""Can the state folder be written, does a journal wait, can the ledger be read?"""

from __future__ import annotations

import os
from collections.abc import Iterator

from bursar.agent.commands.waiting import waiting
from bursar.agent.doctor.finding import Finding, State, Surroundings
from bursar.agent.ledger import LedgerError, LedgerMissing, open_for_reading


def state_folder(around: Surroundings) -> Iterator[Finding]:
    folder = around.settings.state_dir
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
        yield Finding("state folder", State.OK, f"{folder} is writable" if there == folder else f"{folder} can be made")
    else:
        remedy = "make it writable, or point BURSAR_STATE_DIR elsewhere: without it a crash can hide charges"
        yield Finding("state folder", State.FAIL, f"{there} is not writable", remedy)


def journals(around: Surroundings) -> Iterator[Finding]:
    left = waiting(around.settings.journals)
    if left:
        remedy = "start `bursar agent` on this host with the same BURSAR_STATE_DIR: it takes them up"
        yield Finding("journals", State.WARN, f"{len(left)} wait in {around.settings.journals}", remedy)
    else:
        yield Finding("journals", State.OK, "none waits")


def ledger(around: Surroundings) -> Iterator[Finding]:
    try:
        with open_for_reading(around.settings.db):
            yield Finding("ledger", State.OK, f"{around.settings.db} can be read")
    except LedgerMissing:
        yield Finding("ledger", State.WARN, f"none at {around.settings.db}", "start `bursar agent`, or set BURSAR_DB")
    except LedgerError as error:
        yield Finding("ledger", State.FAIL, str(error), "see that BURSAR_DB names a ledger of this version")
