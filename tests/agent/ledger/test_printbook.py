"""Fingerprints are kept once, and read again beside what their calls cost."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlite_utils import Database
from tests.agent.ledger import fresh

from bursar.agent.ledger import printbook
from bursar.agent.ledger.printbook import Node
from bursar.policies.fingerprint import Block, Break, Cause, Fingerprint, Section
from bursar.policies.usage import Usage


@pytest.fixture
def db() -> Database:
    return fresh.ledger()


def block(number: int, **changes: object) -> Block:
    made = Block(f"{number:016x}", Section.SYSTEM, 0, 0, "text", "", 400, 100)
    return replace(made, **changes)  # type: ignore[arg-type] # of the fields' own types


def settled(db: Database, attempt_id: str, at_ns: int, route: str = "chat") -> None:
    """An attempt that counts, of which this module needs little."""
    row: dict[str, object] = {
        "attempt_id": attempt_id,
        "call_id": "",
        "at_ns": at_ns,
        "route": route,
        "model": "claude-sonnet-5-5",
        "requested_model": "claude-sonnet-5-5",
        "labels": "{}",
        "state": "settled",
        "sent": 1,
        "expected_nano": 0,
        "leased": "[]",
        "action": "go",
        "reason": "",
        "decision": "{}",
        "basis": "usage",
        "cost_nano": 7,
        "floor_nano": 0,
        "own_final": 1,
        "input": 5,
        "output": 6,
    }
    names = ", ".join(row)
    db.conn.execute(f"INSERT INTO attempts ({names}) VALUES ({', '.join('?' * len(row))})", [*row.values()])


def read(db: Database, route: str | None = None) -> list[printbook.Prompt]:
    return list(printbook.prompts(db, 0, 10**18, route))


def test_a_prompt_is_read_beside_its_usage(db: Database) -> None:
    settled(db, "a1", 1_000)
    blocks = (block(1, mark="1h"), block(2, section=Section.MESSAGES, role="user", mark="5m"))
    one = Fingerprint("a1", blocks, "c", 0.5, 9, "5m", Break(1, 17, Cause.TIMESTAMP, 20, 300), "messages_changed")
    assert printbook.keep(db, [one], 2_000) == 1
    (found,) = read(db)
    assert (found.at_ns, found.route, found.usage, found.cost_nano) == (1_000, "chat", Usage(input=5, output=6), 7)
    assert (found.marks, found.automatic) == (((1, "1h"), (2, "5m")), "5m")
    assert (found.conversation, found.share, found.ttft_ns, found.miss_reason) == ("c", 0.5, 9, "messages_changed")
    assert (found.cause, found.break_depth, found.break_offset) == (Cause.TIMESTAMP, 2, 17)
    assert (found.break_length, found.shared_after) == (20, 300)
    nodes = printbook.path(db, found.node, {})
    assert [(one.depth, one.hash, one.section, one.role) for one in nodes] == [
        (1, bytes.fromhex(f"{1:016x}"), "system", ""),
        (2, bytes.fromhex(f"{2:016x}"), "messages", "user"),
    ]


def test_prompts_that_begin_alike_share_their_nodes(db: Database) -> None:
    """A block behind another prefix is another node: the cache knows whole prefixes."""
    for number, blocks in enumerate(((1, 2, 3), (1, 2, 4), (5, 2, 3))):
        settled(db, f"a{number}", number)
        printbook.keep(db, [Fingerprint(f"a{number}", tuple(map(block, blocks)))], 1)
    known: dict[int, Node] = {}
    paths = [[one.id for one in printbook.path(db, found.node, known)] for found in read(db)]
    assert paths[0][:2] == paths[1][:2]
    assert len(set(paths[0] + paths[1] + paths[2])) == 7


def test_what_is_told_twice_is_kept_once(db: Database) -> None:
    settled(db, "a1", 1)
    one = Fingerprint("a1", (block(1),))
    assert (printbook.keep(db, [one, one], 1), printbook.keep(db, [one], 2)) == (1, 0)
    assert len(read(db)) == 1


def test_a_call_without_a_fingerprint_and_one_not_settled_are_left_out(db: Database) -> None:
    settled(db, "a1", 1)
    printbook.keep(db, [Fingerprint("a2", (block(1),))], 1)
    assert read(db) == []


def test_routes_are_chosen_by_glob_and_come_in_order_of_time(db: Database) -> None:
    for name, at_ns, route in (("b", 2, "support.chat"), ("a", 3, "support.mail"), ("c", 1, "digest")):
        settled(db, name, at_ns, route)
        printbook.keep(db, [Fingerprint(name, (block(1),))], 1)
    assert [found.route for found in read(db, "support.*")] == ["support.chat", "support.mail"]
    assert [found.route for found in read(db)] == ["digest", "support.chat", "support.mail"]
    assert printbook.count(db, 1, 3) == 2


def test_stretches_belong_to_the_node_that_they_are_of(db: Database) -> None:
    settled(db, "a1", 1)
    one = Fingerprint("a1", (block(1), block(2)), stretches={1: ("00000001", "0000000a")})
    printbook.keep(db, [one], 1)
    nodes = printbook.path(db, read(db)[0].node, {})
    assert printbook.stretches(db, nodes[1].id) == (b"\0\0\0\1", b"\0\0\0\x0a")
    assert printbook.stretches(db, nodes[0].id) == ()


def test_what_is_old_goes_and_a_shared_beginning_stays(db: Database) -> None:
    for name, second, at_ns in (("old", 2, 10), ("new", 3, 30)):
        settled(db, name, at_ns)
        printbook.keep(db, [Fingerprint(name, (block(1), block(second)), stretches={1: ("00000001",)})], at_ns)
    assert printbook.purge(db, 20, limit=10) == 1
    (left,) = read(db)
    assert left.attempt_id == "new"
    assert [one.hash[-1] for one in printbook.path(db, left.node, {})] == [1, 3]
    assert db.conn.execute("SELECT count(*) FROM nodes").fetchone() == (2,)
    assert db.conn.execute("SELECT count(*) FROM stretches").fetchone() == (1,)


def test_a_price_s_modifiers_are_told(db: Database) -> None:
    """A batch has no order that a cache would see: whoever judges caching must know."""
    settled(db, "a", 1)
    db.conn.execute("""UPDATE attempts SET modifiers = '["batch", "geo:us"]'""")
    printbook.keep(db, [Fingerprint("a", (block(1),))], 5)
    assert [prompt.modifiers for prompt in read(db)] == [("batch", "geo:us")]


def test_nodes_are_read_by_a_range(db: Database) -> None:
    """Both ends among them; what is not there is left out."""
    printbook.keep(db, [Fingerprint("a", tuple(block(number) for number in range(5)))], 5)
    assert list(printbook.nodes(db, 2, 4)) == [printbook.node(db, number) for number in (2, 3, 4)]
    assert [node.id for node in printbook.nodes(db, 4, 9)] == [4, 5]


def test_the_latest_of_a_route_are_told_in_order(db: Database) -> None:
    """By its exact name, before an instant, so many; and among so many calls, however few have fingerprints."""
    for number in range(6):
        settled(db, f"a{number}", number, "chat")
        if number != 4:
            printbook.keep(db, [Fingerprint(f"a{number}", (block(1),))], 9)
    settled(db, "b", 3, "chat*")
    printbook.keep(db, [Fingerprint("b", (block(1),))], 9)

    def told(until_ns: int, limit: int, look: int, route: str = "chat") -> list[str]:
        found = printbook.latest(db, route, until_ns, limit=limit, look=look)
        return [one.attempt_id for one in found]

    assert told(9, 3, 100) == ["a2", "a3", "a5"]
    assert told(5, 3, 100) == ["a1", "a2", "a3"]
    assert told(9, 3, 2) == ["a5"]
    assert (told(9, 3, 9, "chat*"), told(9, 3, 9, "cha")) == (["b"], [])
