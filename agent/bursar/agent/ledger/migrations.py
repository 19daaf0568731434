"""What has changed in the ledger's tables, from one version to the next?"""

from __future__ import annotations

from sqlite_utils import Database, Migrations

from bursar.agent.ledger import script, sumtables
from bursar.agent.ledger.accounttables import KEEPING, LEDGER, UNITS
from bursar.agent.ledger.advicebook import ADVICE
from bursar.agent.ledger.deferraltables import DEFERRALS
from bursar.agent.ledger.metertables import METERS
from bursar.agent.ledger.printtables import FINGERPRINTS
from bursar.agent.ledger.sampletables import SAMPLES
from bursar.agent.ledger.sightings import SIGHTINGS

MIGRATIONS = Migrations("bursar")
"""In order; a name once released is never changed, since files remember which ones they have seen."""


@MIGRATIONS()
def m001_ledger(db: Database) -> None:
    """
    The first schema. Amounts are nano-dollars and instants nanoseconds since the epoch, all in 64-bit integers.

    attempts: `balances` is NULL until they are known; `sent` says whether a `sent` record was seen; `floor_nano` is
    the lower bound of a stream's first event; `own_*` is the last word of the process that sent it, from which its
    leases are charged, and `lease_charged_nano` that this was done; `duplicate_of` names the attempt that counts
    the same response.
    """
    script.run(db, LEDGER)


@MIGRATIONS()
def m002_slices(db: Database) -> None:
    """
    What decides whether a process may keep money by it.

    leases: `asks` granted, and the largest, `asked_nano`. balances: `wanted_ns`, when somebody last got nothing.
    """
    script.run(
        db,
        """
        ALTER TABLE leases ADD COLUMN asks INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE leases ADD COLUMN asked_nano INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE balances ADD COLUMN wanted_ns INTEGER NOT NULL DEFAULT 0;
        """,
    )


@MIGRATIONS()
def m003_repricings(db: Database) -> None:
    """
    What was priced anew: a row for every charge whose cost or basis another price book changed.

    An unknown cost is NULL. `why` is the reason given, and the book.
    """
    script.run(
        db,
        """
        CREATE TABLE repricings (
            attempt_id TEXT NOT NULL, at_ns INTEGER NOT NULL, why TEXT NOT NULL,
            old_nano INTEGER, new_nano INTEGER, old_price_id TEXT, new_price_id TEXT,
            old_basis TEXT NOT NULL, new_basis TEXT NOT NULL,
            PRIMARY KEY (attempt_id, at_ns)
        ) STRICT, WITHOUT ROWID;
        """,
    )


@MIGRATIONS()
def m004_units_and_flows(db: Database) -> None:
    """
    Limits in tokens and calls, windows without a calendar, and how fast money is spent.

    Amounts of `balances`, `holds` and `leases` are in the unit of their balance. flows: what was posted in each
    minute and hour (`seconds` 60 and 3600, `slot` the number of such since the epoch) by when the attempt was sent.
    balances: `moved_ns`, when it was last posted to.
    """
    script.run(db, UNITS)


@MIGRATIONS()
def m005_overrides(db: Database) -> None:
    """
    What was paused or raised for a while, kept for ever; and each set of rules that was ever in force, by its id.

    overrides: `ended_ns` is when somebody took it back before its end. rulebook: texts as processes got them,
    `told_ns` when one last did.
    """
    script.run(
        db,
        """
        CREATE TABLE overrides (
            id TEXT PRIMARY KEY, kind TEXT NOT NULL CHECK (kind IN ('pause', 'raise')), budget TEXT NOT NULL,
            scope TEXT, amount INTEGER NOT NULL, unit TEXT NOT NULL, since_ns INTEGER NOT NULL,
            until_ns INTEGER NOT NULL, reason TEXT NOT NULL, by TEXT NOT NULL, ended_ns INTEGER, ended_by TEXT
        ) STRICT;
        CREATE INDEX overrides_until ON overrides (until_ns);
        CREATE TABLE rulebook (
            id TEXT PRIMARY KEY, told_ns INTEGER NOT NULL, policy TEXT, prices TEXT, overrides TEXT,
            file TEXT NOT NULL
        ) STRICT;
        """,
    )


@MIGRATIONS()
def m006_keeping(db: Database) -> None:
    """
    What is kept of old attempts, and how many commits the file has seen.

    rollups: sums by hour (`slot`) and kind. tombs: marks of attempts and responses that are rolled up. balances:
    `rolled_*`, the part of what is spent whose postings are gone. meta: `ledger`, the file's own name for ever, and
    `commits`.
    """
    script.run(db, KEEPING)


@MIGRATIONS()
def m008_cascades(db: Database) -> None:
    """
    What of a two-stage cascade an attempt or a decision is; NULL for what is part of none.

    `cascade` is the id that the calls of one share, `stage` one of `cheap`, `accept` and `strong`, `strong_model` what
    it escalates to, and `escalation` why it did, of the strong stage.
    """
    columns = ("cascade TEXT", "stage TEXT", "strong_model TEXT", "escalation TEXT")
    for table in ("attempts", "decisions"):
        for column in columns:
            db.conn.execute(f"ALTER TABLE {table} ADD COLUMN {column}")
        db.conn.execute(f"CREATE INDEX {table}_cascade ON {table} (cascade, at_ns) WHERE cascade IS NOT NULL")


@MIGRATIONS()
def m007_alerts(db: Database) -> None:
    """
    What became of every try to tell an alert: a row when it begins, its outcome when the channel has answered.

    One that stays `begun` was broken off by the agent's end: nobody knows whether the channel took it.
    """
    script.run(
        db,
        """
        CREATE TABLE deliveries (
            id INTEGER PRIMARY KEY, balance TEXT NOT NULL, step TEXT NOT NULL, channel TEXT NOT NULL,
            begun_ns INTEGER NOT NULL, ended_ns INTEGER,
            outcome TEXT NOT NULL CHECK (outcome IN ('begun', 'accepted', 'failed')), said TEXT
        ) STRICT;
        CREATE INDEX deliveries_alert ON deliveries (balance, step, channel);
        """,
    )


@MIGRATIONS()
def m009_steps(db: Database) -> None:
    """
    What is set aside for outages, and which steps are in force.

    leases: `met_ns`, when its process last met a call of that balance. balances: `in_force`, labels of steps as JSON.
    """
    script.run(
        db,
        """
        ALTER TABLE leases ADD COLUMN met_ns INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE balances ADD COLUMN in_force TEXT NOT NULL DEFAULT '[]';
        """,
    )


@MIGRATIONS()
def m010_usual(db: Database) -> None:
    """
    What an hour usually costs.

    balances: `usual_nano`, worked out for the `usual_slot`-th hour since the epoch; NULL while nobody knows.
    """
    script.run(
        db,
        """
        ALTER TABLE balances ADD COLUMN usual_slot INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE balances ADD COLUMN usual_nano INTEGER;
        """,
    )


@MIGRATIONS()
def m011_epochs(db: Database) -> None:
    """
    How often steps of rolling balances were reached anew.

    epochs: `number` counts the times; `leave` is below which level (thousandths) it is left, NULL once it is.
    """
    script.run(
        db,
        """
        CREATE TABLE epochs (
            balance TEXT NOT NULL, step TEXT NOT NULL, number INTEGER NOT NULL, leave INTEGER,
            PRIMARY KEY (balance, step)
        ) STRICT, WITHOUT ROWID;
        """,
    )


@MIGRATIONS()
def m012_waiting(db: Database) -> None:
    """
    Who waits for money of a balance.

    waiting: `least` in the balance's unit, `since_ns` the place in the queue, `seen_ns` when it last asked.
    """
    script.run(
        db,
        """
        CREATE TABLE waiting (
            balance TEXT NOT NULL, attempt_id TEXT NOT NULL, since_ns INTEGER NOT NULL, seen_ns INTEGER NOT NULL,
            least INTEGER NOT NULL, PRIMARY KEY (balance, attempt_id)
        ) STRICT, WITHOUT ROWID;
        """,
    )


@MIGRATIONS()
def m013_deferrals(db: Database) -> None:
    """
    Calls that are put off, the batches they travel in, and every attempt that is made of one.

    deferrals: `state` is one of `deferral.State` but for `delivered`, which `delivered_ns` says; `attempt_id` is the
    present attempt in a batch, `fallback` the one at ordinary price; `span` is the class of how long it may wait,
    `flush_ns` when it is to be sent at the latest, `fall_back_ns` when it is no longer waited for.
    deferral_texts: requests and answers, sealed where a key is given, and gone once they are not needed. tries:
    `outcome` is NULL until it is known. batches: `id` is ours, `api_id` the API's, once it is known.
    """
    script.run(db, DEFERRALS)


@MIGRATIONS()
def m014_fingerprints(db: Database) -> None:
    """
    What prompts are made of, as far as hashes and lengths tell; see `policies/fingerprint.py`.

    nodes: a prefix is its last block and the prefix before it (`parent`, 0 at the beginning). fingerprints: `node` is
    the whole prompt, `marks` such as `3:5m 7:1h` by place in it; `cause` and what follows is where it left the one
    before. stretches: of a node's own text, cut where `fingerprint.cuts` says. verdicts: recommendations that somebody
    dismissed, and those that were pulled, with what came of them.
    """
    script.run(db, FINGERPRINTS)


@MIGRATIONS()
def m015_samples(db: Database) -> None:
    """
    Calls that are kept with their content for an eval, where the rules ask for it, and what evals said.

    samples: `request` and `answer` sealed where a key is given, gone by age or once the rules no longer ask for them;
    of too many those with the largest `lot` go. evals: `agreement` with its 95% interval (`low`, `high`), `passed`
    where `low` reaches the bar; no content.
    """
    script.run(db, SAMPLES)


@MIGRATIONS()
def m016_markings(db: Database) -> None:
    """Attempts whose requests were given cache marks: `marking` is its id, `-` ahead of it where it was held out."""
    db.conn.execute("ALTER TABLE attempts ADD COLUMN marking TEXT")
    db.conn.execute("CREATE INDEX attempts_marking ON attempts (marking, at_ns) WHERE marking IS NOT NULL")


@MIGRATIONS()
def m018_meters(db: Database) -> None:
    """
    Sums for who reads often, kept in the transaction that moves them; see `meters`.

    meters: `nano_up` is all that was ever added, `nano_down` what corrections took back, so that their difference is
    what was spent; tokens and charges are as first told, and grow with later word. `estimated_nano` and `unknown` are
    of now. decision_meters: how often each was decided. Rolling attempts up moves nothing.
    """
    script.run(db, METERS)


@MIGRATIONS()
def m017_told(db: Database) -> None:
    """
    What senders of telemetry say themselves that an attempt cost; and which sessions were told of, and how.

    attempts: `told_nano`, NULL where nobody says. sightings: a request that was told by itself (`summed` 0), or a sum
    over some (1), by the session and the stretch of time it is of. counters: the last value of each running total.
    """
    script.run(db, SIGHTINGS)


@MIGRATIONS()
def m020_effort(db: Database) -> None:
    """Attempts: `effort`, the level that the request was sent with; NULL where it had none, or nobody said."""
    db.conn.execute("ALTER TABLE attempts ADD COLUMN effort TEXT")


@MIGRATIONS()
def m021_times(db: Database) -> None:
    """
    How long attempts took, and what became of those that cost nothing.

    attempts: `duration_ns` from sending to the answer's end, `first_token_ns` to the first chunk of a stream, NULL
    where nobody measured; `failure` is why it was released, such as `http 429`.
    """
    for column in ("duration_ns INTEGER", "first_token_ns INTEGER", "failure TEXT"):
        db.conn.execute(f"ALTER TABLE attempts ADD COLUMN {column}")


@MIGRATIONS()
def m022_sums(db: Database) -> None:
    """
    What was spent in each hour, and each minute of the last two days, so that no page adds up attempts; see `sums`.

    sums: `label` is empty for everything, and `name=value` once more for each label (by the hour only); `slot` counts
    stretches of so many `seconds` since the epoch. spreads: how many attempts of an hour lay on which step of a scale
    (see `octaves`), in milliseconds or tokens. label_days: how often each label was met on each day (UTC). Rolling
    attempts up moves nothing.
    """
    sumtables.make(db)


@MIGRATIONS()
def m023_stop_reason(db: Database) -> None:
    """attempts: `stop_reason`, why the answer ended, such as `max_tokens`; NULL where nobody said."""
    db.conn.execute("ALTER TABLE attempts ADD COLUMN stop_reason TEXT")


@MIGRATIONS()
def m024_advice(db: Database) -> None:
    """
    What was advised when that was last worked out, so that who shows it need not wait for minutes.

    advice: ready at `at_ns`, of calls from `since_ns` up to `until_ns`; `recommendations` as JSON, as the command says.
    """
    script.run(db, ADVICE)


@MIGRATIONS()
def m025_named(db: Database) -> None:
    """Decisions are found by the id that an error names them by, however many there are."""
    db.conn.execute(f"CREATE INDEX decisions_named ON decisions ({DECISION_ID}) WHERE {DECISION_ID} IS NOT NULL")


DECISION_ID = "json_extract(decision, '$.decision_id')"
"""Under what an error names a decision: as queries must say it, for the index to be used."""
