"""Every way of calling, as data; of these, the ones that this version of the SDK has."""

from __future__ import annotations

from tests.matrix import (
    async_cases,
    batch_cases,
    chain_cases,
    cloud_cases,
    failure_cases,
    plain_cases,
    stream_cases,
    trace_cases,
)
from tests.matrix.case import Case

EVERY_CASE: list[Case] = [
    *plain_cases.CASES,
    *stream_cases.CASES,
    *failure_cases.CASES,
    *chain_cases.CASES,
    *cloud_cases.CASES,
    *async_cases.CASES,
    *batch_cases.CASES,
    *trace_cases.CASES,
]
CASES: list[Case] = [case for case in EVERY_CASE if case.needs]
NAMED: dict[str, Case] = {case.name: case for case in CASES}
