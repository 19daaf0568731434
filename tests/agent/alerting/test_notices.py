"""Claims about notices: what may come again stands under its day, and all of it survives the ledger's JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

import pytest

from bursar.agent.alerting.notices import (
    Notice,
    Subject,
    burn_notice,
    creep_notice,
    forecast_notice,
    from_payload,
    to_payload,
)
from bursar.policies.outlook.burn import Burn
from bursar.policies.outlook.creep import Creep
from bursar.policies.outlook.forecast import Forecast

ABOUT = Subject("day|2026-11-21T00:00:00Z|", "day", "", "2026-11-21T00:00:00Z", None, 8, 1, 10, "tokens", acts=False)
TODAY = date(2026, 11, 21)
BURN = burn_notice(ABOUT, Burn(4.5, 3.0, 3600, 7), TODAY)
FORECAST = forecast_notice(ABOUT, Forecast(12, 9, 20, 7, 0.5, 1_795_262_400))
CREEP = creep_notice(ABOUT, Creep(0.6, 9, 5, 3), TODAY)


@pytest.mark.parametrize(
    ("notice", "step"),
    [(BURN, "burn rate 2026-11-21"), (FORECAST, "forecast"), (CREEP, "creep 2026-11-21")],
)
def test_what_it_stands_under(notice: Notice, step: str) -> None:
    """A burn rate may be told each day, a forecast once a window, a creep once for its day."""
    assert notice.step == step


@pytest.mark.parametrize("notice", [BURN, FORECAST, CREEP])
def test_payload(notice: Notice) -> None:
    """Read back as it was, also by a version that knows more."""
    told = replace(notice, channel="team")
    kept = json.loads(json.dumps(to_payload(told)))
    assert (kept["kind"], kept["balance"], kept["spent"], kept["channel"]) == ("notice", ABOUT.balance, 8, "team")
    assert from_payload(kept) == told
    assert from_payload({**kept, "later": 1}) == told
