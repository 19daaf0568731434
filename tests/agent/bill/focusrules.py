"""
The rules of FOCUS 1.4 for the columns of its Cost and Usage dataset that an export has, as functions of a row of texts.

Written from the specification (Cost and Usage: column table and the requirements of each column; attributes: numeric
format, date/time format, unit format, null handling, key-value format, custom column handling), not from the exporter.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

Row = Mapping[str, str]
"""As a CSV reader gives it: an empty text is null."""

MANDATORY = {
    "BilledCost": False,
    "BillingAccountId": False,
    "BillingAccountName": True,
    "BillingCurrency": False,
    "BillingPeriodEnd": False,
    "BillingPeriodStart": False,
    "ChargeCategory": False,
    "ChargeClass": True,
    "ChargeDescription": True,
    "ChargePeriodEnd": False,
    "ChargePeriodStart": False,
    "ContractedCost": False,
    "EffectiveCost": False,
    "HostProviderName": False,
    "InvoiceIssuerName": False,
    "ListCost": False,
    "PricingQuantity": True,
    "PricingUnit": True,
    "ServiceCategory": False,
    "ServiceName": False,
    "ServiceProviderName": False,
}
"""Mandatory columns, and whether they allow nulls."""
CONDITIONAL = {
    "ConsumedQuantity": True,
    "ConsumedUnit": True,
    "ContractedUnitPrice": True,
    "ListUnitPrice": True,
    "PricingCategory": True,
    "SkuId": True,
    "SkuMeter": True,
    "SkuPriceDetails": True,
    "SkuPriceId": True,
    "Tags": True,
}
"""Those of the conditions that hold: usage measurement, unit pricing, list unit prices, tags."""
RECOMMENDED = {"ChargeFrequency": False, "ServiceSubcategory": False}
NUMBERS = (
    *("BilledCost", "ConsumedQuantity", "ContractedCost", "ContractedUnitPrice", "EffectiveCost", "ListCost"),
    *("ListUnitPrice", "PricingQuantity"),
)
INSTANTS = ("BillingPeriodEnd", "BillingPeriodStart", "ChargePeriodEnd", "ChargePeriodStart")
ALLOWED = {
    "BillingCurrency": {"USD"},
    "ChargeCategory": {"Usage", "Purchase", "Tax", "Credit", "Adjustment"},
    "ChargeClass": {"", "Correction"},
    "ChargeFrequency": {"One-Time", "Recurring", "Usage-Based"},
    "PricingCategory": {"Standard", "Dynamic", "Committed", "Other"},
    "ServiceCategory": {
        *("AI and Machine Learning", "Analytics", "Business Applications", "Compute", "Databases", "Developer Tools"),
        *("Multicloud", "Identity", "Integration", "Internet of Things", "Management and Governance", "Media"),
        *("Migration", "Mobile", "Networking", "Security", "Storage", "Web", "Other"),
    },
    "ServiceSubcategory": {
        *("AI Platforms", "Bots", "Generative AI", "Machine Learning", "Natural Language Processing"),
        "Other (AI and Machine Learning)",
    },
    "PricingUnit": {"Tokens", "Requests"},
    "ConsumedUnit": {"Tokens", "Requests"},
}
"""Values that the specification allows, and of units those of its recommended names that an export may use."""
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_CUSTOM = re.compile(r"x_[A-Z][A-Za-z0-9]{0,47}")


def of_columns(columns: list[str]) -> list[str]:
    """What is wrong with a header."""
    known = {**MANDATORY, **CONDITIONAL, **RECOMMENDED}
    wrong = [f"{name} is missing" for name in known if name not in columns]
    custom = [name for name in columns if name not in known]
    wrong += [f"{name} is no column of FOCUS, nor a custom one" for name in custom if not _CUSTOM.fullmatch(name)]
    if columns[len(columns) - len(custom) :] != custom:
        wrong.append("custom columns stand among those of FOCUS")
    return wrong


def of_row(row: Row) -> list[str]:
    """What is wrong with a row: types, nulls, allowed values, and how columns hang together."""
    wrong: list[str] = []
    for name, nullable in {**MANDATORY, **CONDITIONAL, **RECOMMENDED}.items():
        if not row[name] and not nullable:
            wrong.append(f"{name} is null")
    wrong += [f"{n} is no decimal: {row[n]}" for n in NUMBERS if row[n] and not _NUMBER.fullmatch(row[n])]
    wrong += [f"{n} is no instant: {row[n]}" for n in INSTANTS if not _INSTANT.fullmatch(row[n])]
    wrong += [f"{n} may not be {row[n]!r}" for n, values in ALLOWED.items() if row[n] not in values]
    if any(value in ("Not Applicable", "N/A", "NULL", "None") for value in row.values()):
        wrong.append("a placeholder stands for null")
    return [*wrong, *_of_usage(row), *_of_costs(row), *_of_periods(row), *_of_json(row)]


def _of_usage(row: Row) -> list[str]:
    """A row of usage that is no correction has a SKU price, and with it all that belongs to one."""
    if row["ChargeCategory"] != "Usage" or row["ChargeClass"]:
        return ["only usage is expected here"]
    needed = (
        *("PricingQuantity", "PricingUnit", "ConsumedQuantity", "ConsumedUnit", "SkuId", "SkuPriceId", "ListUnitPrice"),
        *("ContractedUnitPrice", "PricingCategory"),
    )
    wrong = [f"{name} is null on a row of usage" for name in needed if not row[name]]
    wrong += [f"{name} is below zero" for name in ("ListUnitPrice", "ContractedUnitPrice") if row[name].startswith("-")]
    return wrong


def _of_costs(row: Row) -> list[str]:
    contracted = Decimal(row["ContractedUnitPrice"]) * Decimal(row["PricingQuantity"])
    listed = Decimal(row["ListUnitPrice"]) * Decimal(row["PricingQuantity"])
    wrong: list[str] = []
    if contracted != Decimal(row["ContractedCost"]):
        wrong.append(f"ContractedCost is {row['ContractedCost']}, price times quantity {contracted}")
    if listed != Decimal(row["ListCost"]):
        wrong.append(f"ListCost is {row['ListCost']}, price times quantity {listed}")
    return wrong


def _of_periods(row: Row) -> list[str]:
    """Charge periods are half open, within their billing period, which is a month."""
    start, end, opens, closes = (
        datetime.fromisoformat(row[name])
        for name in ("ChargePeriodStart", "ChargePeriodEnd", "BillingPeriodStart", "BillingPeriodEnd")
    )
    within = opens <= start < end <= closes
    return (
        [] if within and (opens.day, closes.day) == (1, 1) else ["the charge period is not within its billing period"]
    )


def _of_json(row: Row) -> list[str]:
    """Key-value columns hold one object of plain values; our own keys have a prefix."""
    wrong: list[str] = []
    for name in ("Tags", "SkuPriceDetails"):
        found = json.loads(row[name] or "{}")
        if not isinstance(found, dict) or any(isinstance(value, dict | list) for value in found.values()):  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
            wrong.append(f"{name} is no object of plain values")
    wrong += [f"{key} has no prefix" for key in json.loads(row["SkuPriceDetails"]) if not key.startswith("x_")]
    return wrong
