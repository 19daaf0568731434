"""What is a request of a batch called? By an id that any process can charge it under, and put it in its place by."""

from __future__ import annotations

import re
from hashlib import blake2b

from bursar.policies.values import value

_FORM = re.compile(
    r"bursar-(?P<attempt>[0-9a-f]{16}-[0-9a-f]{1,12})-(?P<place>0|[1-9][0-9]{0,8})-(?P<digest>[0-9a-f]{8})", re.ASCII
)
_DIGEST_BYTES = 4


@value
class ItemId:
    """
    The `custom_id` of a request that `map_batch` has put into a batch, and the id of its attempt: they are one.

    So a charge that is read from the batch's results settles the very attempt that was journalled before the batch was
    created, whoever reads them. No id that an application would think of has this form.
    """

    attempt: str
    """What makes it unique: the process, and a number."""
    place: int
    """Where it stands in the list that `map_batch` was given."""
    digest: str
    """Of the request as it was given, and of `attempt`: so that a list taken up again is known to be the same."""

    def __str__(self) -> str:
        return f"bursar-{self.attempt}-{self.place}-{self.digest}"


def item_id(custom_id: str) -> ItemId | None:
    """The id that a `custom_id` is; None for one that `map_batch` did not make."""
    found = _FORM.fullmatch(custom_id)
    return ItemId(found["attempt"], int(found["place"]), found["digest"]) if found is not None else None


def digest_of(attempt: str, sent: bytes) -> str:
    """A short digest of what was sent: enough to tell lists apart. Equal requests have different ones."""
    return blake2b(sent, digest_size=_DIGEST_BYTES, key=attempt.encode()).hexdigest()
