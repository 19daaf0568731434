"""What do the headers in an environment variable say?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote

_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)
_VALUE = re.compile(r"[\x20-\x7e\x80-\xff]*")


class HeadersError(ValueError):
    """A text that is no list of headers; what is wrong with it, without repeating any of it."""


def parse_headers(text: str) -> Mapping[str, str]:
    """
    Headers from `k=v,k=v`, as OTEL_EXPORTER_OTLP_HEADERS has them: names in lower case, values with `%20` for a space.

    A space that stands there as it is, is taken too. Raises `HeadersError`.
    """
    headers: dict[str, str] = {}
    for place, part in enumerate(filter(None, (part.strip() for part in text.split(","))), 1):
        name, equals, value = part.partition("=")
        name, value = name.strip().lower(), unquote(value.strip())
        if not equals or not _NAME.fullmatch(name):
            raise HeadersError(f"the {place}. part is no name=value")
        if not _VALUE.fullmatch(value):
            raise HeadersError(f"the value of the {place}. header holds what no header may hold, such as a line's end")
        headers[name] = value
    if not headers:
        raise HeadersError("it is empty")
    return headers
