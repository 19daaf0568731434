"""What is a line of the ledger in FOCUS, the FinOps Open Cost and Usage Specification?"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from bursar.agent.ledger.exportbook import Sold
from bursar.policies.models import canonical

VERSION = "1.4"
"""Ratified 2026-06-04. Columns of the Cost and Usage dataset: all mandatory ones, and those conditional ones that
apply to what a ledger knows (unit prices, usage, SKUs, tags)."""

Value = str | Decimal | None
Row = Mapping[str, Value]

DECIMALS = (
    *("BilledCost", "ConsumedQuantity", "ContractedCost", "ContractedUnitPrice", "EffectiveCost", "ListCost"),
    *("ListUnitPrice", "PricingQuantity"),
)
COLUMNS = (
    *("BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency", "BillingPeriodEnd"),
    *("BillingPeriodStart", "ChargeCategory", "ChargeClass", "ChargeDescription", "ChargeFrequency"),
    *("ChargePeriodEnd", "ChargePeriodStart", "ConsumedQuantity", "ConsumedUnit", "ContractedCost"),
    *("ContractedUnitPrice", "EffectiveCost", "HostProviderName", "InvoiceIssuerName", "ListCost", "ListUnitPrice"),
    *("PricingCategory", "PricingQuantity", "PricingUnit", "ServiceCategory", "ServiceName", "ServiceProviderName"),
    *("ServiceSubcategory", "SkuId", "SkuMeter", "SkuPriceDetails", "SkuPriceId", "Tags"),
    *("x_Basis", "x_ModelName", "x_PriceRowId", "x_RouteName"),
)
"""In the order of a file: alphabetical, and our own after all others."""

ROUTE_TAG = "bursar/route"
"""A tag of ours, and so with a prefix; labels are the user's, and stand as they were given."""

_NANO, _PICO = 9, 12
_MULTIPLY = "multiply:"


class Meter(NamedTuple):
    """What a kind of line counts."""

    name: str
    unit: str


METERS = {
    "input": Meter("Input Tokens", "Tokens"),
    "cache_read": Meter("Cache Read Tokens", "Tokens"),
    "cache_write_5m": Meter("5-Minute Cache Write Tokens", "Tokens"),
    "cache_write_1h": Meter("1-Hour Cache Write Tokens", "Tokens"),
    "output": Meter("Output Tokens", "Tokens"),
    "web_search": Meter("Web Searches", "Requests"),
    "": Meter("Requests", "Requests"),
}
"""By the label of a line; a cost without lines is one of so many requests."""


class _Seller(NamedTuple):
    """Who sends the invoice, and for what service."""

    provider: str
    service: str


_ANTHROPIC = _Seller("Anthropic", "Claude API")
_SELLERS = {"bedrock": _Seller("AWS", "Amazon Bedrock"), "vertex": _Seller("Google Cloud", "Vertex AI")}


def row(sold: Sold, *, account: str, period: timedelta) -> Row:
    """
    One row of the Cost and Usage dataset.

    `BilledCost` is the ledger's own, to the nano-dollar. `ContractedCost` and `ListCost` are unit price times quantity,
    as FOCUS asks, so that they may lie below a nano-dollar a charge from it: a charge is rounded once.
    """
    start = datetime.fromtimestamp(sold.start_ns // 10**9, UTC)
    month = start.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    meter, seller = METERS[sold.label], _seller(sold)
    modifiers: list[str] = json.loads(sold.modifiers)
    each = sold.pico if sold.label else round(Fraction(sold.nano * 1_000, sold.quantity))
    listed = round(each / _factor(modifiers))
    billed = _exact(sold.nano, _NANO)
    quantity = Decimal(sold.quantity)
    terms = [name for name in modifiers if not name.startswith(_MULTIPLY)]
    found: dict[str, Value] = {
        "BilledCost": billed,
        "BillingAccountId": account,
        "BillingAccountName": None,
        "BillingCurrency": "USD",
        "BillingPeriodEnd": _instant((month + timedelta(days=32)).replace(day=1)),
        "BillingPeriodStart": _instant(month),
        "ChargeCategory": "Usage",
        "ChargeClass": None,
        "ChargeDescription": _described(sold, meter, terms),
        "ChargeFrequency": "Usage-Based",
        "ChargePeriodEnd": _instant(start + period),
        "ChargePeriodStart": _instant(start),
        "ConsumedQuantity": quantity,
        "ConsumedUnit": meter.unit,
        "ContractedCost": _exact(each * sold.quantity, _PICO),
        "ContractedUnitPrice": _exact(each, _PICO),
        "EffectiveCost": billed,
        "HostProviderName": seller.provider,
        "InvoiceIssuerName": seller.provider,
        "ListCost": _exact(listed * sold.quantity, _PICO),
        "ListUnitPrice": _exact(listed, _PICO),
        "PricingCategory": "Standard",
        "PricingQuantity": quantity,
        "PricingUnit": meter.unit,
        "ServiceCategory": "AI and Machine Learning",
        "ServiceName": seller.service,
        "ServiceProviderName": seller.provider,
        "ServiceSubcategory": "Generative AI",
        **_sku(sold, meter, terms),
        "Tags": json.dumps({**json.loads(sold.labels), ROUTE_TAG: sold.route}, ensure_ascii=False),
        "x_Basis": sold.basis or None,
        "x_ModelName": sold.model,
        "x_PriceRowId": sold.price_id or None,
        "x_RouteName": sold.route or None,
    }
    return {name: found[name] for name in COLUMNS}


def _sku(sold: Sold, meter: Meter, terms: list[str]) -> dict[str, Value]:
    """Names that stay when the price changes: no date of a price row, and no factor of a contract."""
    model = canonical(sold.model).id
    sku = f"{model}/{sold.label or 'requests'}"
    _, above, tokens = sold.price_id.partition(">")
    details: dict[str, object] = {"x_Model": model, "x_Class": sold.label or "requests"}
    if above:
        details["x_PromptTokensAbove"] = int(tokens)
    if terms:
        details["x_Terms"] = "+".join(terms)
    return {
        "SkuId": sku,
        "SkuMeter": meter.name,
        "SkuPriceDetails": json.dumps(details),
        "SkuPriceId": "/".join([sku, *([f"above-{tokens}"] if above else []), *terms]),
    }


def _seller(sold: Sold) -> _Seller:
    return _SELLERS.get(canonical(sold.requested_model).platform or "", _ANTHROPIC)


def _described(sold: Sold, meter: Meter, terms: list[str]) -> str:
    under = f" ({', '.join(terms)})" if terms else ""
    return f"{sold.model}: {meter.name}{under}"


def _factor(modifiers: list[str]) -> Fraction:
    """What a contract makes of the list price."""
    factors = [Fraction(name.removeprefix(_MULTIPLY)) for name in modifiers if name.startswith(_MULTIPLY)]
    return factors[0] if factors and factors[0] else Fraction(1)


def _exact(value: int, places: int) -> Decimal:
    """So many units of the last place, whatever the context's precision."""
    return Decimal(f"{value}E-{places}")


def _instant(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S}Z"
