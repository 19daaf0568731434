"""Claims about `bursar export`: FOCUS by its own rules, sums to the nano-dollar, and what is not in it said."""

from __future__ import annotations

import csv
import io
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.agent.bill import focusrules
from tests.agent.ledger import fresh
from tests.agent.ledger.booked import OPUS, unexplained, used

from bursar.agent.cli import cli
from bursar.agent.ledger import Ledger, open_for_reading, reports, rollups
from bursar.policies.prices import parse_book, price, shipped_book
from bursar.policies.records import Record, Sent, Settled
from bursar.policies.usage import Part, Usage, UsageReport

NOON = int(datetime.fromisoformat("2026-11-21T12:00:00+00:00").timestamp())
HAIKU = "claude-haiku-5-5"
FOR_EVER = 2**62
EVERYTHING = Usage(input=101, cache_read=1_003, cache_write_5m=57, cache_write_1h=11, output=333, web_searches=2)


def relabelled(records: Sequence[Record], **labels: str) -> list[Record]:
    start, settled = records
    assert isinstance(start, Sent)
    return [replace(start, labels=labels), settled]


def contracted(name: str, usage: Usage, factor: str) -> list[Record]:
    """A call at nine tenths of the list, say."""
    book = shipped_book().extended(parse_book(f'[[model]]\nid = "{OPUS}"\nmultiply = "{factor}"\n', source="mine"))
    at = datetime.fromisoformat("2026-11-21").date()
    quote = price(UsageReport(usage, (Part(usage),)), model=OPUS, at=at, book=book)
    start, settled = used(name, usage, at=NOON)
    assert isinstance(settled, Settled)
    charge = replace(settled.charge, cost_nano_usd=quote.cost_nano_usd, lines=quote.lines, modifiers=quote.modifiers)
    return [start, Settled(charge)]


def many() -> list[list[Record]]:
    """Every kind of charge that there is."""
    return [
        relabelled(used("a", EVERYTHING, at=NOON), tenant='Müller, "Sons"', env="prod"),
        used("b", EVERYTHING, at=NOON + 3_600, batch=True),
        used("c", Usage(input=100_001, output=7), at=NOON, model=HAIKU),
        used("d", Usage(input=3, output=1), at=NOON, model=HAIKU, batch=True),
        used("e", Usage(output=9), at=NOON - 40 * 86_400, route=""),
        used("f", Usage(output=9), at=NOON, requested="eu.anthropic.claude-opus-5-5-v1:0"),
        contracted("g", Usage(input=10, output=10), "0.9"),
        unexplained("h", 1_234_567, at=NOON),
        unexplained("i", None, at=NOON),
    ]


def kept(folder: Path, groups: Sequence[Sequence[Record]], *, roll_up: bool = False) -> Path:
    path = folder / "bursar.sqlite"
    ledger = Ledger(fresh.file(path), clock_ns=time.time_ns)
    ledger.book([record for group in groups for record in group], holder=None, policy=None).result(10)
    if roll_up:
        ledger.submit(lambda db: rollups.roll_up(db, FOR_EVER)).result(10)
    ledger.close()
    return path


def run(db: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["export", "--db", str(db), *arguments], env={"BURSAR_PRICES": ""})


def focus(db: Path, *arguments: str) -> list[dict[str, str]]:
    result = run(db, "--format", "focus", "--billing-account", "org-1", *arguments)
    assert result.exit_code == 0, result.stderr
    return list(csv.DictReader(io.StringIO(result.stdout)))


def ledger_nano(db: Path) -> int:
    with open_for_reading(db) as ledger:
        total: int = reports.totals(ledger, 0, FOR_EVER)["nano_usd"]
        return total


@pytest.mark.parametrize("roll_up", [False, True])
@pytest.mark.parametrize("by", ["hour", "day"])
def test_focus_by_its_own_rules(tmp_path: Path, by: str, roll_up: bool) -> None:
    """Columns, types, nulls, values, and what hangs together; the sum is the ledger's to the nano-dollar."""
    db = kept(tmp_path, many(), roll_up=roll_up)
    rows = focus(db, "--by", by)
    assert focusrules.of_columns(list(rows[0])) == []
    assert [wrong for row in rows for wrong in focusrules.of_row(row)] == []
    assert sum(Decimal(row["BilledCost"]) for row in rows) * 10**9 == ledger_nano(db)


def test_the_rules_can_be_broken(tmp_path: Path) -> None:
    """The check of the test above finds each of these."""
    (row, *_) = focus(kept(tmp_path, many()))
    changes = {
        "BilledCost": "1e3",
        "BillingAccountId": "",
        "ChargeCategory": "Use",
        "ChargePeriodStart": "2026-11-21T00:00:00+00:00",
        "ContractedCost": "1",
        "ServiceSubcategory": "AI",
        "SkuPriceId": "",
        "SkuPriceDetails": '{"Model": 1}',
    }
    for name, value in changes.items():
        assert focusrules.of_row({**row, name: value}), name


def test_a_row(tmp_path: Path) -> None:
    """1,003 tokens read from the cache on Opus 5.5, at 0.20 dollars a million: 200,600 nano-dollars."""
    rows = focus(kept(tmp_path, many()[:1]))
    (row,) = (row for row in rows if row["SkuMeter"] == "Cache Read Tokens")
    assert row == {
        "BilledCost": "0.0002006",
        "BillingAccountId": "org-1",
        "BillingAccountName": "",
        "BillingCurrency": "USD",
        "BillingPeriodEnd": "2026-12-01T00:00:00Z",
        "BillingPeriodStart": "2026-11-01T00:00:00Z",
        "ChargeCategory": "Usage",
        "ChargeClass": "",
        "ChargeDescription": "claude-opus-5-5: Cache Read Tokens",
        "ChargeFrequency": "Usage-Based",
        "ChargePeriodEnd": "2026-11-22T00:00:00Z",
        "ChargePeriodStart": "2026-11-21T00:00:00Z",
        "ConsumedQuantity": "1003.0",
        "ConsumedUnit": "Tokens",
        "ContractedCost": "0.0002006",
        "ContractedUnitPrice": "0.0000002",
        "EffectiveCost": "0.0002006",
        "HostProviderName": "Anthropic",
        "InvoiceIssuerName": "Anthropic",
        "ListCost": "0.0002006",
        "ListUnitPrice": "0.0000002",
        "PricingCategory": "Standard",
        "PricingQuantity": "1003.0",
        "PricingUnit": "Tokens",
        "ServiceCategory": "AI and Machine Learning",
        "ServiceName": "Claude API",
        "ServiceProviderName": "Anthropic",
        "ServiceSubcategory": "Generative AI",
        "SkuId": "claude-opus-5-5/cache_read",
        "SkuMeter": "Cache Read Tokens",
        "SkuPriceDetails": '{"x_Model": "claude-opus-5-5", "x_Class": "cache_read"}',
        "SkuPriceId": "claude-opus-5-5/cache_read",
        "Tags": '{"tenant": "Müller, \\"Sons\\"", "env": "prod", "bursar/route": "desk"}',
        "x_Basis": "usage",
        "x_ModelName": "claude-opus-5-5",
        "x_PriceRowId": "claude-opus-5-5@launch",
        "x_RouteName": "desk",
    }


def found(rows: list[dict[str, str]], **wanted: str) -> dict[str, str]:
    (row,) = (row for row in rows if all(row[name] == value for name, value in wanted.items()))
    return row


def test_terms_and_tiers_are_skus_of_their_own(tmp_path: Path) -> None:
    """A batch and a long prompt have a list price each: neither is a discount."""
    rows = focus(kept(tmp_path, many()))
    batch = found(rows, SkuPriceId="claude-haiku-5-5/output/batch")
    assert (batch["ListUnitPrice"], batch["ContractedUnitPrice"]) == ("0.00000025", "0.00000025")
    long = found(rows, SkuPriceId="claude-haiku-5-5/input/above-100000")
    assert (long["ListUnitPrice"], long["PricingQuantity"]) == ("0.0000005", "100001.0")
    assert json.loads(long["SkuPriceDetails"])["x_PromptTokensAbove"] == 100_000


def test_a_contract_is_a_discount(tmp_path: Path) -> None:
    """Nine tenths of twenty dollars a million: listed at twenty, contracted at eighteen, and the SKU is the same."""
    (row,) = (r for r in focus(kept(tmp_path, [contracted("g", Usage(output=10), "0.9")])))
    assert (row["ListUnitPrice"], row["ContractedUnitPrice"]) == ("0.00002", "0.000018")
    assert (row["ListCost"], row["ContractedCost"], row["BilledCost"]) == ("0.0002", "0.00018", "0.00018")
    assert row["SkuPriceId"] == "claude-opus-5-5/output"


def test_a_cloud_sends_its_own_invoice(tmp_path: Path) -> None:
    """What was asked of Bedrock is AWS's to bill."""
    row = found(focus(kept(tmp_path, many())), ServiceName="Amazon Bedrock")
    assert (row["ServiceProviderName"], row["InvoiceIssuerName"]) == ("AWS", "AWS")


def test_a_cost_without_lines(tmp_path: Path) -> None:
    """Two bounds are two requests, at half their sum each."""
    db = kept(tmp_path, [unexplained("a", 100, at=NOON), unexplained("b", 201, at=NOON)])
    (row,) = focus(db)
    assert (row["SkuMeter"], row["PricingQuantity"], row["BilledCost"]) == ("Requests", "2.0", "0.000000301")
    assert (row["ContractedUnitPrice"], row["x_Basis"]) == ("0.0000001505", "estimate")


def test_unknown_costs_are_no_zeros(tmp_path: Path) -> None:
    """They are not in it, and are said to be missing."""
    result = run(kept(tmp_path, many()), "--format", "focus", "--billing-account", "o")
    assert result.stderr.splitlines()[-1] == "1 charges have no known cost and are not in it: see `bursar report`"


def test_parquet(tmp_path: Path) -> None:
    """The same rows with decimals of twelve places, and the version in the file."""
    db, path = kept(tmp_path, many()), tmp_path / "focus.parquet"
    result = run(db, "--format", "focus", "--billing-account", "org-1", "--output", str(path))
    assert (result.exit_code, result.stdout) == (0, "")
    table: Any = import_module("pyarrow.parquet").read_table(path)
    rows: list[dict[str, Any]] = table.to_pylist()
    plain = focus(db)
    assert [row["SkuPriceId"] for row in rows] == [row["SkuPriceId"] for row in plain]
    assert [row["BilledCost"] for row in rows] == [Decimal(row["BilledCost"]) for row in plain]
    assert str(table.schema.field("BilledCost").type) == "decimal128(38, 12)"
    assert table.schema.metadata[b"FocusVersion"] == b"1.4"
    assert sum(row["BilledCost"] for row in rows) * 10**9 == ledger_nano(db)


def test_parquet_without_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence that names the extra, and no file left behind."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    path = tmp_path / "focus.parquet"
    result = run(kept(tmp_path, many()), "--format", "focus", "--billing-account", "o", "--output", str(path))
    assert (result.exit_code, path.exists()) == (3, False)
    assert result.stderr == "bursar: Parquet needs the package pyarrow: pip install 'bursar[parquet]', or write CSV\n"
    assert not list(tmp_path.glob(".*.part"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--format", "focus"], "--billing-account is needed"),
        (["--format", "csv", "--output", "x.parquet"], "Parquet is written of FOCUS only"),
    ],
)
def test_wrong_usage(tmp_path: Path, arguments: list[str], said: str) -> None:
    """Exit code 2 and a sentence."""
    result = run(kept(tmp_path, []), *arguments)
    assert result.exit_code == 2
    assert said in result.stderr


@pytest.mark.parametrize("roll_up", [False, True])
def test_every_charge(tmp_path: Path, roll_up: bool) -> None:
    """CSV and JSON have the same rows, whose sum is the ledger's; an unknown cost is empty, and null."""
    db = kept(tmp_path, many(), roll_up=roll_up)
    lines = list(csv.DictReader(io.StringIO(run(db, "--format", "csv").stdout)))
    rows = json.loads(run(db, "--format", "json").stdout)
    assert sum(int(line["nano_usd"] or 0) for line in lines) == ledger_nano(db)
    assert [row["nano_usd"] for row in rows] == [int(n["nano_usd"]) if n["nano_usd"] else None for n in lines]
    assert sum(row["charges"] for row in rows) == len(many())
    assert {"tenant": 'Müller, "Sons"', "env": "prod"} in [row["labels"] for row in rows]
    assert [line["cost_usd"] for line in lines if line["nano_usd"] == "1234567"] == ["0.001234567"]


def test_a_span_of_time(tmp_path: Path) -> None:
    """From an instant up to another: of three hours the one in the middle."""
    db = kept(tmp_path, [used(str(n), Usage(output=1), at=NOON + n * 3_600) for n in range(3)])
    span = ["--since", "2026-11-21T13:00", "--until", "2026-11-21T14:00"]
    (row,) = focus(db, "--by", "hour", *span)
    assert (row["ChargePeriodStart"], row["ChargePeriodEnd"]) == ("2026-11-21T13:00:00Z", "2026-11-21T14:00:00Z")
    assert focus(db, "--since", "2026-11-22", "--until", "2026-11-23") == []
