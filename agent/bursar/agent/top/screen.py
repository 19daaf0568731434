"""How does the picture look in a terminal of this size?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo

from rich.console import Group, RenderableType
from rich.text import Text

from bursar.agent.alerting.wording import rounded
from bursar.agent.top.columns import Column, table
from bursar.agent.top.picture import BudgetNow, DecisionNow, Picture, RouteNow
from bursar.agent.top.words import said

WIDE = 120
"""From so many columns on, bars and curves are drawn twice as long."""
UNBOUNDED_ROWS = 20
"""Of each table, where the height of what is written to is nobody's business."""
FRAME = 9
"""Lines that are no row: the head, three titles with an empty line before each, and the keys."""
_BLOCKS = "▁▂▃▄▅▆▇█"
_CLOSE, _FULL = 80, 100
_ACTIONS = {"effort": "yellow", "downgrade": "yellow", "batch": "cyan", "block": "red"}


def render(
    picture: Picture, *, width: int, height: int | None = None, agent: str = "", alive: bool = True
) -> RenderableType:
    """
    The whole of it; with a height, no longer than that, and with the keys in its last line.

    `agent` is where the agent was looked for, and `alive` whether it answers there.
    """
    sizes = [max(len(rows), 1) for rows in (picture.budgets, picture.routes, picture.decisions)]
    rooms = shares(sizes, None if height is None else height - FRAME)
    parts: list[RenderableType] = [_head(picture, width), _totals(picture, agent, alive=alive, width=width)]
    drawn = (
        _budgets(picture, width, rooms[0]),
        _routes(picture, width, rooms[1]),
        _decisions(picture, width, rooms[2]),
    )
    for part in drawn:
        parts += [Text(""), part]
    if height is not None:
        parts.append(_line(width, ("q", "bold"), (" quits", "dim")))
    return Group(*parts)


def waiting(why: str, *, width: int) -> RenderableType:
    """What stands there until there is a ledger."""
    return Group(
        _line(width, ("bursar top", "bold")),
        Text(""),
        Text(why, "yellow"),
        Text("\nIt is looked for every moment; q quits.", "dim"),
    )


def shares(wanted: Sequence[int], room: int | None) -> list[int]:
    """
    How many lines each table gets: what it wants, or in turn one more as long as there is room.

    At least one each, where a terminal is too low for anything.
    """
    if room is None:
        return [min(rows, UNBOUNDED_ROWS) for rows in wanted]
    given = [1] * len(wanted)
    while sum(given) < room and any(have < want for have, want in zip(given, wanted, strict=True)):
        hungry = [place for place, want in enumerate(wanted) if given[place] < want]
        given[min(hungry, key=lambda place: given[place])] += 1
    return given


def curve(minutes: Sequence[int], cells: int) -> str:
    """What each minute cost as a line of blocks, the dearest of them the highest; nothing spent is a space."""
    per = max(-(-len(minutes) // cells), 1)
    sums = [sum(minutes[at : at + per]) for at in range(0, len(minutes), per)]
    top = max(sums, default=0)
    return "".join(" " if one <= 0 else _BLOCKS[min(one * len(_BLOCKS) // (top + 1), 7)] for one in sums)


def bar(budget: BudgetNow, cells: int) -> Text:
    """What is spent, then what is held, of the limit, with the share of both; what is beyond shows in the figure."""
    limit = max(budget.limit, 1)
    spent = min(budget.spent * cells // limit, cells)
    held = min((budget.spent + budget.held) * cells // limit, cells) - spent
    style = "red" if budget.percent >= _FULL else "yellow" if budget.percent >= _CLOSE else "green"
    return Text.assemble(
        ("█" * spent, style), ("▒" * held, style), ("░" * (cells - spent - held), "dim"), f" {budget.percent:>3}%"
    )


def left(until_ns: int | None, now_ns: int) -> str:
    """How long until then, in its two largest units."""
    if until_ns is None:
        return ""
    minutes = max(until_ns - now_ns, 0) // (60 * 10**9)
    days, hours = minutes // 1440, minutes // 60 % 24
    if days:
        return f"{days}d {hours}h"
    return f"{hours}h {minutes % 60:02}m" if hours else f"{minutes}m"


def _head(picture: Picture, width: int) -> Text:
    at = datetime.fromtimestamp(picture.at_ns // 10**9, picture.zone)
    return _line(width, ("bursar top", "bold"), f"  {at:%H:%M:%S} {at.tzname()}", (f"  {picture.ledger}", "dim"))


def _totals(picture: Picture, agent: str, *, alive: bool, width: int) -> Text:
    totals = picture.totals
    parts = [(f"{_usd(totals.today_nano)} USD today", "bold"), (f"{totals.today_calls:,} calls", "")]
    if totals.unknown:
        parts.append((f"{totals.unknown:,} of unknown cost", "yellow"))
    parts.append((f"{totals.in_flight:,} in flight ({_usd(totals.held_nano)} USD)", ""))
    parts.append((f"{totals.processes:,} {'process' if totals.processes == 1 else 'processes'}", ""))
    if totals.waiting_alerts:
        parts.append((f"{totals.waiting_alerts:,} alerts wait", "yellow"))
    if agent:
        parts.append(("agent answers", "green") if alive else ("no agent answers: start `bursar agent`", "red"))
    return _joined(parts, width)


def _joined(parts: Sequence[tuple[str, str]], width: int) -> Text:
    """The parts side by side; those that do not fit are left out from the last but one, which is the agent's, on."""
    shown = list(parts)
    while len(shown) > 2 and sum(len(said) for said, _ in shown) + 3 * (len(shown) - 1) > width:
        shown.pop(-2)
    pieces = [piece for part in shown for piece in (("   ", ""), part)]
    return _line(width, *pieces[1:])


def _budgets(picture: Picture, width: int, room: int) -> RenderableType:
    if not picture.budgets:
        return _empty(
            "budgets",
            "No call has met a budget yet: the first one shows here."
            if picture.policy
            else "No policy is in force: write one (docs/policy.md), and start `bursar agent --policy bursar.toml`.",
        )
    rows, cells, now_ns = picture.budgets[:room], 20 if width >= WIDE else 10, picture.at_ns
    columns: list[Column[BudgetNow]] = [
        Column(_cut("budgets", rows, picture.budgets), _budget_name, least=12),
        Column("", lambda one: bar(one, cells)),
        Column("spent", lambda one: rounded(one.spent, one.unit), number=True),
        Column("held", lambda one: rounded(one.held, one.unit) if one.held else "", rank=4, number=True),
        Column("of", _limit, rank=1, number=True),
        Column("ends in", lambda one: left(one.ends_ns, now_ns) or one.window, rank=2, number=True),
        Column("forecast", lambda one: _forecast(one, picture.zone, now_ns), rank=3),
    ]
    return table(columns, rows, width=width)


def _routes(picture: Picture, width: int, room: int) -> RenderableType:
    if not picture.routes:
        return _empty(
            "routes",
            "No call today. Set BURSAR_AGENT in the application and call instrument(), "
            "or start it with `bursar run -- COMMAND`.",
        )
    rows = picture.routes[:room]
    cells = 30 if width >= WIDE else 15
    columns: list[Column[RouteNow]] = [
        Column(_cut("routes", rows, picture.routes), lambda one: one.route, least=16),
        Column("calls 1h", lambda one: f"{one.hour_calls:,}", rank=3, number=True),
        Column("USD 1h", lambda one: _usd(one.hour_nano), number=True),
        Column("per minute", lambda one: Text(curve(one.minutes, cells), "cyan"), rank=4),
        Column("calls today", lambda one: f"{one.today_calls:,}", rank=5, number=True),
        Column("USD today", lambda one: _usd(one.today_nano), rank=1, number=True),
        Column(
            "cached", lambda one: f"{one.cache_read * 100 // one.prompt}%" if one.prompt else "", rank=2, number=True
        ),
        Column("models", lambda one: ", ".join(name.removeprefix("claude-") for name in one.models), rank=6, least=14),
    ]
    return table(columns, rows, width=width)


def _decisions(picture: Picture, width: int, room: int) -> RenderableType:
    if not picture.decisions:
        return _empty("decisions", "None: every call went as it was asked.")
    rows, now = picture.decisions[:room], datetime.fromtimestamp(picture.at_ns // 10**9, picture.zone)
    columns: list[Column[DecisionNow]] = [
        Column("decisions", lambda one: _clock(one.at_ns, now)),
        Column("", lambda one: one.route, least=12),
        Column("", _action),
        Column("because", lambda one: said(one.reason), rank=1, least=26),
        Column("budget", lambda one: f"{one.budget}{f' at {one.step}' if one.step else ''}", rank=2, least=14),
        Column("model", lambda one: one.model.removeprefix("claude-"), rank=3, least=10),
    ]
    return table(columns, rows, width=width)


def _action(one: DecisionNow) -> Text:
    often = f" ×{one.times:,}" if one.times > 1 else ""
    return Text.assemble((one.action, _ACTIONS.get(one.action, "")), often)


def _budget_name(one: BudgetNow) -> str:
    return f"{one.budget} {one.scope}" if one.scope else one.budget


def _limit(one: BudgetNow) -> str:
    return f"{rounded(one.limit, one.unit)} {'USD' if one.unit == 'usd' else one.unit}"


def _forecast(one: BudgetNow, zone: tzinfo, now_ns: int) -> Text:
    """What it will have spent in the end; where that is more than the limit, when this is reached."""
    if one.forecast is None:
        return Text("")
    amount = rounded(one.forecast, one.unit)
    if one.exhausted_ns is None or one.spent >= one.limit:
        return Text(amount)
    now = datetime.fromtimestamp(now_ns // 10**9, zone)
    return Text(f"{amount}, out {_clock(one.exhausted_ns, now)[:5]}", "yellow")


def _clock(at_ns: int, now: datetime) -> str:
    """The time of an instant of today, the day of any other."""
    at = datetime.fromtimestamp(at_ns // 10**9, now.tzinfo)
    return f"{at:%H:%M:%S}" if at.date() == now.date() else f"{at:%m-%d}"


def _cut(title: str, shown: Sequence[object], whole: Sequence[object]) -> str:
    return title if len(shown) == len(whole) else f"{title} ({len(shown)} of {len(whole)})"


def _empty(title: str, what: str) -> RenderableType:
    return Group(Text(title, "dim"), Text(what, "italic"))


def _usd(nano: int) -> str:
    return rounded(nano, "usd")


def _line(width: int, *parts: str | tuple[str, str]) -> Text:
    line = Text.assemble(*parts)
    line.truncate(width, overflow="ellipsis")
    return line
