"""How do rows become a CSV file, a JSON document or a Parquet file?"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import IO, Any

from bursar.agent.bill.access import BillError

CHUNK = 10_000
"""Rows that are in memory at a time, and in one row group of a Parquet file."""
_DIGITS, _PLACES = 38, 12
MISSING = "Parquet needs the package pyarrow: pip install 'bursar[parquet]', or write CSV"


def write_csv(rows: Iterable[Mapping[str, Any]], columns: Sequence[str], out: IO[str]) -> int:
    """Comma-separated, with a header line; absent values are empty. Returns how many rows."""
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    count = 0
    for row in rows:
        writer.writerow({name: _text(row[name]) for name in columns})
        count += 1
    return count


def write_json(rows: Iterable[Mapping[str, Any]], out: IO[str]) -> int:
    """One list of objects, an object a line. Returns how many."""
    count = 0
    out.write("[")
    for row in rows:
        out.write(",\n" if count else "\n")
        json.dump(row, out, ensure_ascii=False)
        count += 1
    out.write("\n]\n")
    return count


def write_parquet(
    rows: Iterable[Mapping[str, Any]], columns: Sequence[str], decimals: Sequence[str], path: Path, **about: str
) -> int:
    """
    Decimals of twelve places and texts, with `about` as the file's metadata. Returns how many rows.

    Raises `BillError` where pyarrow is not installed.
    """
    try:
        arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError as error:
        raise BillError(MISSING) from error
    kinds = [(name, arrow.decimal128(_DIGITS, _PLACES) if name in decimals else arrow.string()) for name in columns]
    schema = arrow.schema(kinds, metadata=about)
    count, left = 0, iter(rows)
    with parquet.ParquetWriter(path, schema) as writer:
        while chunk := list(islice(left, CHUNK)):
            writer.write_table(arrow.Table.from_pylist(chunk, schema=schema))
            count += len(chunk)
    return count


def _text(value: Any) -> Any:
    """Decimals with at least one place, so that a reader that guesses types takes a column of whole ones for such."""
    if not isinstance(value, Decimal):
        return value
    whole, _, places = f"{value:f}".partition(".")
    return f"{whole}.{places.rstrip('0') or '0'}"
