"""Claims about charts: what the page's script is given to draw."""

from __future__ import annotations

import json

from bursar.agent.dashboard.chart import Chart, Line, Measure, Shape


def test_money_and_times_are_drawn_in_dollars_and_seconds() -> None:
    """Gaps stay gaps, styles are named, names stand as they are."""
    chart = Chart("c", "T", [60, 120], [Line("a</script>", [1_500_000_000, None]), Line("limit", [10**9] * 2, "limit")])
    assert json.loads(chart.to_json()) == {
        "shape": "lines",
        "measure": "money",
        "x": [60, 120],
        "ticks": [],
        "lines": [
            {"name": "a</script>", "style": "", "values": [1.5, None]},
            {"name": "limit", "style": "limit", "values": [1.0, 1.0]},
        ],
    }


def test_counts_are_drawn_as_they_are() -> None:
    """With their steps named where these are no instants."""
    chart = Chart("c", "T", [0, 1], [Line("n", [3, 4])], Shape.BARS, Measure.COUNT, ticks=["0-1", "1-2"])
    drawn = json.loads(chart.to_json())
    assert (drawn["shape"], drawn["ticks"], drawn["lines"][0]["values"]) == ("bars", ["0-1", "1-2"], [3, 4])
