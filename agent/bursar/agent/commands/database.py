"""`bursar db`: a copy of the ledger, a copy put back, and whether its sums are right."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import click
from sqlite_utils import Database

from bursar.agent.commands.howfar import Stages, progress, stages
from bursar.agent.ledger import Ledger, LedgerError, audit, identity, open_for_reading
from bursar.agent.settings import read_settings

PAGES = 2_000
"""Copied in one go: between two of them the agent may write."""

_db_option = click.option("--db", type=click.Path(dir_okay=False, path_type=Path), help="The ledger.")
_file = click.Path(dir_okay=False, path_type=Path)


@click.group("db")
def db_command() -> None:
    """Copies of the ledger, and whether its sums are right."""


@db_command.command("backup")
@click.argument("file", type=_file)
@_db_option
def backup_command(file: Path, db: Path | None) -> None:
    """Copy the ledger into FILE, also while an agent writes it; the copy is whole, and checked."""
    path = read_settings(os.environ, db=db).db
    with stages() as begin:
        ledger, commits = backup(path, file, begin)
    click.echo(f"bursar: {path} is copied to {file}: ledger {ledger}, {commits:,} commits", err=True)


@db_command.command("restore")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--lose-newer", is_flag=True, help="Although the ledger in its place is newer than the copy.")
@_db_option
def restore_command(file: Path, db: Path | None, lose_newer: bool) -> None:
    """Put a copy in the place of the ledger; what stood there is kept beside it. The agent must be down."""
    path = read_settings(os.environ, db=db).db
    with progress("checking the copy, and putting it in place"):
        kept, lost = restore(file, path, lose_newer=lose_newer)
    click.echo(f"bursar: {path} is now {file}" + (f"; what stood there is {kept}" if kept else ""), err=True)
    if lost:
        click.echo(
            f"bursar: {lost:,} commits are lost with it. What processes were lent is repaired as they are heard of; "
            "what was charged since the copy is not counted in any balance: compare `bursar report` with your bill",
            err=True,
        )


@db_command.command("check")
@_db_option
@click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")
def check_command(db: Path | None, as_json: bool) -> None:
    """Is the file sound, and is every balance the sum of what was posted to it? Exit code 1 where it is not."""
    with open_for_reading(read_settings(os.environ, db=db).db) as ledger, progress("adding up every balance"):
        wrong = audit.wrong(ledger)
        name, commits = identity.read(ledger)
    if as_json:
        click.echo(json.dumps({"ok": not wrong, "wrong": wrong, "ledger": name, "commits": commits}, indent=2))
    else:
        click.echo("\n".join(wrong) or f"Ledger {name}, {commits:,} commits: every sum is right.")
    if wrong:
        raise SystemExit(1)


def backup(path: Path, file: Path, begin: Stages) -> tuple[str, int]:
    """
    Copy a ledger as last committed; its name and how many commits it had seen.

    Raises `LedgerError` where the one cannot be read, the other cannot be written, or is there already.
    """
    if file.exists():
        raise LedgerError(f"{file} exists already: name another file, or move it away")
    draft = file.with_name(f"{file.name}.part")
    try:
        with open_for_reading(path) as source, closing(sqlite3.connect(draft)) as target:
            (pages,) = source.conn.execute("PRAGMA page_count").fetchone()
            copied, checked = begin("copying pages", pages), begin("checking the copy")
            source.conn.backup(target, pages=PAGES, progress=lambda _, left, of: copied(of - left))
            checked(0)
            target.execute("PRAGMA journal_mode = DELETE")
            found = identity.read(_sound(Database(target, execute_plugins=False), draft))
        draft.replace(file)
    except (sqlite3.Error, OSError) as error:
        raise LedgerError(f"{path} could not be copied to {file} ({error}): see that there is room") from error
    finally:
        draft.unlink(missing_ok=True)
    return found


def restore(file: Path, path: Path, *, lose_newer: bool) -> tuple[Path | None, int]:
    """
    Put a copy in a ledger's place: where what stood there is kept, and how many commits are lost.

    Raises `LedgerError` where an agent writes the ledger, the copy is none, or older than what stands there.
    """
    with open_for_reading(file) as copy:
        name, commits = identity.read(_sound(copy, file))
    lost, kept = 0, None
    if path.exists():
        ledger = Ledger(path, clock_ns=lambda: 0)  # whoever has it open has the lock
        try:
            with ledger.reading() as present:
                other, reached = identity.read(present)
        finally:
            ledger.close()
        lost = max(reached - commits, 0) if other == name else 0
        if (lost or other != name) and not lose_newer:
            what = f"has {lost:,} commits more" if other == name else f"is another ledger ({other}, this is {name})"
            raise LedgerError(f"the ledger in {path} {what}: add --lose-newer if it is to go; it is kept beside")
        kept = path.with_name(f"{path.name}.before-restore")
        path.replace(kept)
        for suffix in ("-wal", "-shm"):
            path.with_name(f"{path.name}{suffix}").unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.part")
    shutil.copyfile(file, draft)
    draft.replace(path)
    return kept, lost


def _sound(db: Database, file: Path) -> Database:
    found: list[tuple[Any, ...]] = db.conn.execute("PRAGMA integrity_check").fetchall()
    if found != [("ok",)]:
        raise LedgerError(f"{file} is damaged ({found[0][0]}): take another copy")
    return db
