"""JSON text: written piece by piece, and the same as the standard library's."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from bursar.policies.jsontext import Encoded, array, encode, nullable, object_of_texts, quoted

TEXTS = st.text()


@given(st.lists(TEXTS), st.dictionaries(TEXTS, TEXTS), st.none() | TEXTS)
def test_every_piece_reads_back(texts: list[str], labels: dict[str, str], maybe: str | None) -> None:
    """Whatever stands in it: quotes, line ends, lone surrogates, other scripts; and all of it is ASCII."""
    for written, meant in [
        (array(texts), texts),
        (object_of_texts(labels), labels),
        (nullable(maybe), maybe),
        (array(map(str, texts)), texts),
        (encode(labels), labels),
    ]:
        assert json.loads(written) == meant
        assert written.isascii()
    assert [json.loads(quoted(text)) for text in texts] == texts


def test_ready_text_is_the_object_it_says() -> None:
    """A mapping to whoever looks into it."""
    ready = Encoded('{"step":"80%","most":5}')
    assert dict(ready) == {"step": "80%", "most": 5}
    assert (len(ready), ready["most"], ready.get("least"), "step" in ready) == (2, 5, None, True)
    assert ready == {"step": "80%", "most": 5}
