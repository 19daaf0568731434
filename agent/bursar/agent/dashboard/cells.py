"""How do the rows of a table stand in a page?"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup, escape

from bursar.agent.dashboard import words
from bursar.agent.dashboard.page import Now
from bursar.agent.dashboard.table import Column, Kind, Part, Row, Table, Value
from bursar.policies.amounts import Unit

_NEARLY = 0.8
"""From this share on a bar is drawn as one to look at."""
LONGEST = 300
"""Characters of a text in a cell: names may have thousands, and one of them would push all figures out of sight."""


def rows(table: Table, now: Now) -> Markup:
    """All of them, each on a line. Here and not in a template, since there may be thousands of cells."""
    return Markup("\n").join(Markup("<tr>{}</tr>").format(_cells(row, table.columns, now)) for row in table.rows)


def _cells(row: Row, columns: Sequence[Column], now: Now) -> Markup:
    return Markup("").join(_cell(row, column, now, first=place == 0) for place, column in enumerate(columns))


def _cell(row: Row, column: Column, now: Now, *, first: bool) -> Markup:
    name, kind = column.name, column.kind
    href = row.links.get(name) or (row.href if first else "")
    if kind is Kind.TREND:
        inner = trend(row.trends.get(name, ()), column.help or column.title)
    elif kind is Kind.MIX:
        inner = mix(row.parts.get(name, ()), str(row.cells.get(name)))
    else:
        inner = written(row.cells.get(name), kind, now, row.unit)
    if href:
        inner = Markup(f'<a href="{escape(href)}">{inner}</a>')
    badge = row.badges.get(name, "")
    classes = f"{kind.value}{' whole' if column.whole else ''}{f' {badge}' if badge else ''}"
    return Markup(f'<td class="{escape(classes)}">{inner}</td>')


def written(value: Value, kind: Kind | str, now: Now, unit: Unit = "usd") -> Markup:
    """A figure or a text as HTML, exact amounts and instants as titles."""
    if value is None:
        return Markup(words.NOTHING)
    match Kind(kind), value:
        case Kind.MONEY, int():
            return Markup(f'<span title="{words.exact_money(value)}">{words.money(value)}</span>')
        case Kind.AMOUNT, int():
            return Markup(f'<span title="{words.exact_amount(value, unit)}">{words.amount(value, unit)}</span>')
        case Kind.COUNT, int():
            return Markup(words.count(value))
        case Kind.SHARE, int() | float():
            return Markup(words.share(value))
        case (Kind.METER | Kind.PROGRESS) as bar, int() | float():
            return Markup(f"{meter(value, limit=bar is Kind.METER)} {words.share(value)}")
        case Kind.DURATION, int():
            return Markup(words.seconds(value))
        case Kind.INSTANT, int():
            return Markup(f'<time datetime="{words.iso(value)}">{words.at(value, now.tz)}</time>')
        case Kind.UNTIL, int():
            when, far = words.at(value, now.tz), words.until(value, now.ns)
            return Markup(f'<time datetime="{words.iso(value)}" title="{when}">{far}</time>')
        case _:
            return _text(str(value))


def _text(text: str) -> Markup:
    """As it is; of what is too long the beginning, and all of it where it is pointed at."""
    if len(text) <= LONGEST:
        return escape(text)
    return Markup('<span title="{}">{}…</span>').format(text, text[:LONGEST])


def meter(share: float, *, limit: bool = True) -> Markup:
    """A share as a bar, for the eye alone; of a `limit` in another colour where it is near, and where it is reached."""
    mood = "" if not limit or share < _NEARLY else " bad" if share >= 1 else " warn"
    width = min(max(share * 100, 0), 100)
    return Markup(
        f'<svg class="meter{mood}" viewBox="0 0 100 8" width="100" height="8" preserveAspectRatio="none" '
        'aria-hidden="true"><rect class="ground" width="100" height="8" rx="2"/>'
        f'<rect width="{width:.1f}" height="8" rx="2"/></svg>'
    )


def trend(values: Sequence[int], label: str) -> Markup:
    """A trend as a line."""
    return Markup(
        '<svg class="trend" viewBox="0 0 96 22" width="96" height="22" role="img" '
        f'aria-label="{escape(label)}"><polyline points="{points(values)}"/></svg>'
    )


def mix(parts: Sequence[Part], said: str) -> Markup:
    """Parts of one as a bar, in words for who cannot see it, and the largest for everybody."""
    if not parts:
        return Markup(words.NOTHING)
    drawn, x = Markup(""), 0.0
    for part in parts:
        drawn += Markup('<rect x="{}" width="{}" height="10" class="fill-{}"><title>{} {}</title></rect>').format(
            f"{x:.1f}", f"{part.share * 100:.1f}", part.colour, part.name, words.share(part.share)
        )
        x += part.share * 100
    return Markup(
        '<span class="mixed"><svg class="mix" viewBox="0 0 100 10" preserveAspectRatio="none" role="img" '
        'aria-label="{}">{}</svg> {}</span>'
    ).format(said, drawn, parts[0].name if len(parts) == 1 else f"{parts[0].name} {words.share(parts[0].share)}")


def points(values: Sequence[int], width: int = 96, height: int = 22) -> str:
    """A trend as the points of a polyline, in whole and half units."""
    if not values:
        return ""
    most, steps = max(*values, 1), max(len(values) - 1, 1)
    return " ".join(
        f"{place * width / steps:.1f},{height - 1 - value * (height - 2) / most:.1f}"
        for place, value in enumerate(values)
    )
