"""The ledger's prices and the sandbox's share no code: one moves without the other."""

from __future__ import annotations

from pathlib import Path

from tests.whole.scene import house, program, until
from tests.whole.test_crashes import BUSY, booked

DEARER = """
[[model]]
id = "claude-sonnet-5-5"
multiply = "1.10"
"""


def test_a_price_raised_in_the_user_s_file_moves_the_ledger_and_not_the_bill(tmp_path: Path) -> None:
    """Ten percent more on Sonnet 5.5: the same calls, the same bill, a ledger ten percent dearer."""
    prices = tmp_path / "prices.toml"
    prices.write_text(DEARER)
    amounts: list[tuple[int, int]] = []
    for arguments in ((), ("--prices", str(prices))):
        folder = tmp_path / f"run{len(amounts)}"
        folder.mkdir()
        with house(folder) as home:
            home.arguments = arguments
            with home.agent():
                home.run(program(folder, BUSY), "5")
                until(lambda home=home: booked(home), "the agent to book everything")  # type: ignore[misc]
            amounts.append((home.total()["nano_usd"], home.bill["nano_usd"]))
    (ledger, bill), (dearer_ledger, same_bill) = amounts
    assert ledger == bill == same_bill
    assert dearer_ledger * 10 == ledger * 11
