"""Ids of requests of batches: what one is made of, and that no other text is taken for one."""

from __future__ import annotations

import pytest

from bursar.instrumentation.ids import Ids
from bursar.instrumentation.itemid import ItemId, digest_of, item_id

HOLDER = "0123456789abcdef"
SOME = ItemId(f"{HOLDER}-1f", 42, "deadbeef")


def test_an_id_is_read_as_it_was_written() -> None:
    """And fits what the API takes as a custom id, however long the list."""
    assert str(SOME) == f"bursar-{HOLDER}-1f-42-deadbeef"
    assert item_id(str(SOME)) == SOME
    assert len(str(ItemId(f"{HOLDER}-{2**48 - 1:x}", 10**9 - 1, "deadbeef"))) <= 64


def test_ids_of_processes_have_this_form() -> None:
    """Those that a process really makes."""
    made = ItemId(Ids().attempt(), 0, digest_of("a-1", b"{}"))
    assert item_id(str(made)) == made


@pytest.mark.parametrize(
    "text",
    [
        "",
        "doc-42",
        f"{HOLDER}-1f",
        f"{HOLDER}-1f-42-deadbeef",
        f"bursar-{HOLDER}-1f-42",
        f"bursar-{HOLDER}-1f-042-deadbeef",
        f"bursar-{HOLDER}-1f-42-DEADBEEF",
        f"bursar-{HOLDER}-1f-42-deadbeef ",
        f"bursar-{HOLDER}-1f-42-deadbeef\n",
        f"bursar-{HOLDER}-1f-٤٢-deadbeef",
        f"bursar-{HOLDER[1:]}-1f-42-deadbeef",
        f"xbursar-{HOLDER}-1f-42-deadbeef",
    ],
)
def test_what_is_none(text: str) -> None:
    """An application's own custom ids, also such as look like ours at a glance."""
    assert item_id(text) is None


def test_a_digest_tells_requests_apart_and_links_none() -> None:
    """The same request of the same attempt has the same; of another attempt another."""
    assert digest_of("a-1", b"one") == digest_of("a-1", b"one")
    assert len({digest_of("a-1", b"one"), digest_of("a-1", b"two"), digest_of("a-2", b"one")}) == 3
