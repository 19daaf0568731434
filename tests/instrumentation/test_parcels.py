"""How requests are divided into batches: by the API's two limits, and by headers, with none lost and none reordered."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise

from anthropic._utils._json import openapi_dumps
from hypothesis import given
from hypothesis import strategies as st

from bursar.instrumentation.orders import Order
from bursar.instrumentation.parcels import Parcels


@dataclass
class Thing:
    """Something to pack."""

    id: str
    order: Order


def thing(place: int, size: int, header: str = "") -> Thing:
    """A request whose parameters take so many bytes."""
    params = {"x": "y" * (size - len('{"x":""}'))}
    order = Order(place, params, len(openapi_dumps(params)), b"", (("h", header),) if header else ())
    return Thing(f"id-{place}", order)


def sent(parcel: list[Thing]) -> bytes:
    """The body that the SDK would send."""
    return openapi_dumps({"requests": [{"custom_id": each.id, "params": each.order.params} for each in parcel]})


@given(st.lists(st.tuples(st.integers(8, 60), st.sampled_from("ab")), max_size=40))
def test_no_batch_is_too_large_and_none_could_be_larger(sizes: list[tuple[int, str]]) -> None:
    """By the bytes that are really sent; every request in one batch, of its own headers, in order."""
    parcels: Parcels[Thing] = Parcels(most_requests=4, most_bytes=200)
    things = [thing(place, size, header) for place, (size, header) in enumerate(sizes)]
    made = [full for each in things if (full := parcels.add(each))] + list(parcels.rest())
    assert sorted(each.order.place for parcel in made for each in parcel) == list(range(len(sizes)))
    assert all(len(parcel) <= 4 and len(sent(parcel)) <= 200 for parcel in made)
    for header in "ab":
        mine = [parcel for parcel in made if parcel[0].order.headers == (("h", header),)]
        assert [each.order.headers for parcel in mine for each in parcel] == [(("h", header),)] * sum(map(len, mine))
        order = [each.order.place for parcel in mine for each in parcel]
        assert order == sorted(order)
        for parcel, after in pairwise(mine):
            # One byte less than is reckoned, since the last request has no comma behind it.
            assert len(parcel) == 4 or len(sent([*parcel, after[0]])) >= 200


def test_a_request_that_no_batch_takes() -> None:
    """Alone it is too large already."""
    parcels: Parcels[Thing] = Parcels(most_bytes=200)
    frame = len(json.dumps({"requests": [{"custom_id": "id-0", "params": ""}]}, separators=(",", ":"))) - 2
    assert parcels.takes(thing(0, 200 - frame - 1))
    assert not parcels.takes(thing(0, 200 - frame))
