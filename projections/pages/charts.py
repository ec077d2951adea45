"""Charts: four shapes of inline SVG, each with the same numbers as a table below it.

They are as wide as their place: across, everything is in per cent, and texts keep their size. What
a colour says is said by shape, edge or text as well. A number may be given with its address, which
the table links to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, tzinfo
from itertools import pairwise
from typing import Any, Literal, NamedTuple

from markupsafe import Markup, escape

from projections.pages.formats import UNKNOWN, at, number, safe

Show = Callable[[Any], Any]
"""How a number is written."""


class Value(NamedTuple):
    """A number of a chart."""

    value: int | float | None
    address: str | None = None
    """Of the list of the rows that it counts."""


class Series(NamedTuple):
    """Numbers that belong together, one for each label of a chart."""

    name: str
    values: Sequence[Value]


class Point(NamedTuple):
    """Something on a line of time."""

    at: datetime
    text: str
    shape: Literal["dot", "ring", "square", "diamond", "cross"] = "dot"
    bad: bool = False
    address: str | None = None


class Span(NamedTuple):
    """A time that lasted, on a line of time."""

    begin: datetime
    end: datetime
    text: str
    bad: bool = False


class Lane(NamedTuple):
    """A line of time: what happened on it, and what lasted."""

    name: str
    points: Sequence[Point] = ()
    spans: Sequence[Span] = ()


_TALL = 150
"""Of a plot, in pixels."""
_ABOVE, _BELOW = 18, 24
_NAME = 45
"""Characters of a name that a chart has room for, also on a telephone."""
_WIDE = 500
"""Pixels. A narrower chart has no numbers at its marks, and one below 640 has fewer labels: the
classes "told" and "some" in style.css."""


def bars(title: str, labels: Sequence[str], series: Sequence[Series]) -> Markup:
    """Upright bars: for each label one of each series, side by side."""
    most = max((each.value or 0 for one in series for each in one.values), default=0) or 1
    slot = 100 / max(len(labels), 1)
    wide = slot * 0.76 / max(len(series), 1)
    known = (each.value for one in series for each in one.values if each.value is not None)
    fit = _fit([number(each) for each in known])
    parts = [_axis()]
    for index, label in enumerate(labels):
        parts.append(_label(slot * (index + 0.5), label, index, len(labels)))
        for place, one in enumerate(series):
            value = one.values[index].value
            if value is None:
                continue
            left = slot * index + slot * 0.12 + wide * place
            tall = round(_TALL * value / most, 1)
            parts.append(_rect(left, _ABOVE + _TALL - tall, wide, tall, place))
            if fit:
                middle = left + wide / 2
                down = _ABOVE + _TALL - tall - 4
                parts.append(_text(middle, down, number(value), "middle", "told"))
    numbers = _numbers(title, labels, series)
    return _figure(title, parts, _ABOVE + _TALL + _BELOW, numbers, _legend(series))


def line(title: str, labels: Sequence[str], series: Series, show: Show = number) -> Markup:
    """A line through one number for each label; it is broken where a number is not known."""
    most = max((each.value or 0 for each in series.values), default=0) or 1
    slot = 100 / max(len(labels), 1)
    spots = [
        None
        if each.value is None
        else (slot * (index + 0.5), round(_ABOVE + _TALL * (1 - each.value / most), 1))
        for index, each in enumerate(series.values)
    ]
    fit = _fit([show(each.value) for each in series.values if each.value is not None])
    parts = [_axis()]
    for one, other in pairwise(spots):
        if one and other:
            parts.append(_line((*one, *other), "curve"))
    for index, (label, each, spot) in enumerate(zip(labels, series.values, spots, strict=True)):
        parts.append(_label(slot * (index + 0.5), label, index, len(labels)))
        if spot is not None:
            parts.append(_mark(*spot, "dot", "s1"))
            if fit:
                parts.append(_text(spot[0], spot[1] - 7, show(each.value), "middle", "told"))
    numbers = _numbers(title, labels, [series], show)
    return _figure(title, parts, _ABOVE + _TALL + _BELOW, numbers, Markup())


def stacked(title: str, rows: Sequence[str], series: Sequence[Series]) -> Markup:
    """Lying bars: for each row one, in which the series follow each other."""
    totals = [sum(one.values[index].value or 0 for one in series) for index in range(len(rows))]
    most = max(totals, default=0) or 1
    parts: list[Markup] = []
    for index, (row, total) in enumerate(zip(rows, totals, strict=True)):
        top, left = index * 40, 0.0
        told = Markup("{}: {}").format(_clipped(row), number(total))
        parts.append(_text(0, top + 13, told, "start", ""))
        for place, one in enumerate(series):
            value = one.values[index].value or 0
            wide = 100 * value / most
            if value:
                parts.append(_rect(left, top + 18, wide, 14, place))
            left += wide
    legend = _legend(series if len(series) > 1 else ())
    numbers = _numbers(title, rows, series)
    return _figure(title, parts, max(len(rows) * 40, 1), numbers, legend)


def timeline(
    title: str, begin: datetime, end: datetime, lanes: Sequence[Lane], zone: tzinfo
) -> Markup:
    """Lines of time, one below the other, with points and spans on them.

    Args:
        title: what the chart shows.
        begin: the time at the left; what is earlier stands there.
        end: the time at the right; what is later stands there.
        lanes: the lines; what is of one kind on them has one text, which the key tells.
        zone: in which times are told.
    """
    whole = (end - begin).total_seconds() or 1

    def across(moment: datetime) -> float:
        return 1.5 + 97 * min(max((moment - begin).total_seconds() / whole, 0), 1)

    parts: list[Markup] = []
    for index, lane in enumerate(lanes):
        middle = index * 44 + 30
        parts.append(_text(0, middle - 16, _clipped(lane.name), "start", ""))
        parts.append(_line((1.5, middle, 98.5, middle), "grid-line"))
        for span in lane.spans:
            ends = across(span.begin), middle, across(span.end), middle
            parts.append(_line(ends, _kind(span), span.text))
        parts += [
            _mark(across(each.at), middle, each.shape, _kind(each), each.text)
            for each in lane.points
        ]
    tall = len(lanes) * 44 + 22
    parts.append(_text(1.5, tall - 4, at(begin, zone).striptags(), "start", "quiet"))
    parts.append(_text(98.5, tall - 4, at(end, zone).striptags(), "end", "quiet"))
    return _figure(title, parts, tall, _times(title, lanes, zone), _marks(lanes))


# --- the pieces ------------------------------------------------------------------------------


def _figure(
    title: str,
    parts: Sequence[Markup],
    tall: int,
    numbers: Markup,
    legend: Markup,
) -> Markup:
    return Markup(
        '<figure><figcaption>{title}</figcaption>{legend}<svg role="img" aria-label="{title}" '
        'width="100%" height="{tall}"><title>{title}</title>{parts}</svg>'
        "<details><summary>The numbers</summary>{numbers}</details></figure>"
    ).format(
        title=safe(title),
        legend=legend,
        tall=tall,
        parts=Markup().join(parts),
        numbers=numbers,
    )


def _legend(series: Sequence[Series]) -> Markup:
    square = Markup('<rect x="1" y="1" width="12" height="12" class="s{}"/>')
    return _key((square.format(place), one.name) for place, one in enumerate(series, 1))


def _marks(lanes: Sequence[Lane]) -> Markup:
    """What the shapes on lines of time stand for."""
    told = {
        each.text: Markup('<g class="{}" transform="translate(7 7)">{}</g>').format(
            _kind(each), _SHAPES[each.shape]
        )
        for lane in lanes
        for each in lane.points
    }
    told |= {
        each.text: Markup('<line x1="0" y1="7" x2="14" y2="7" class="{}"/>').format(_kind(each))
        for lane in lanes
        for each in lane.spans
    }
    return _key((shape, text) for text, shape in told.items())


def _key(entries: Iterable[tuple[Markup, str]]) -> Markup:
    """What the shapes and colours of a chart stand for."""
    entry = Markup('<li><svg width="14" height="14" aria-hidden="true">{}</svg>{}</li>')
    told = Markup().join(entry.format(shape, safe(text)) for shape, text in entries)
    return Markup('<ul class="legend">{}</ul>').format(told) if told else told


def _kind(each: Point | Span) -> str:
    """The class of a point or a span."""
    if isinstance(each, Span):
        return "span bad" if each.bad else "span"
    return "mark bad" if each.bad else "mark full" if each.shape == "dot" else "mark"


def _numbers(
    title: str, labels: Sequence[str], series: Sequence[Series], show: Show = number
) -> Markup:
    rows = [
        [safe(label), *(_linked(one.values[index], show) for one in series)]
        for index, label in enumerate(labels)
    ]
    return _table(title, ["", *(one.name for one in series)], rows, numbers=True)


def _linked(each: Value, show: Show) -> Any:
    text = UNKNOWN if each.value is None else show(each.value)
    if each.address is None:
        return text
    return Markup('<a href="{}">{}</a>').format(each.address, text)


def _times(title: str, lanes: Sequence[Lane], zone: tzinfo) -> Markup:
    rows: list[tuple[datetime, list[Any]]] = []
    for lane in lanes:
        for span in lane.spans:
            told = Markup("{}, until {}").format(safe(span.text), at(span.end, zone))
            rows.append((span.begin, [at(span.begin, zone), safe(lane.name), told]))
        for point in lane.points:
            text: Any = safe(point.text)
            if point.address is not None:
                text = Markup('<a href="{}">{}</a>').format(point.address, text)
            rows.append((point.at, [at(point.at, zone), safe(lane.name), text]))
    rows.sort(key=lambda row: row[0])
    return _table(title, ["When", "Line", "What"], (row for _, row in rows), numbers=False)


def _table(
    title: str, heads: Sequence[str], rows: Iterable[Sequence[Any]], *, numbers: bool
) -> Markup:
    kind = "n" if numbers else "what"
    first, *others = heads
    head = Markup('<th scope="col">{}</th>').format(first) if first else Markup("<td></td>")
    head += Markup().join(
        Markup('<th scope="col" class="{}">{}</th>').format(kind, safe(each)) for each in others
    )
    body = Markup().join(
        Markup('<tr><th scope="row">{}</th>{}</tr>').format(
            row[0],
            Markup().join(Markup('<td class="{}">{}</td>').format(kind, each) for each in row[1:]),
        )
        for row in rows
    )
    return Markup(
        '<div class="wide" role="region" aria-label="{0}: the numbers" tabindex="0"><table>'
        "<caption>{0}</caption><thead><tr>{1}</tr></thead><tbody>{2}</tbody></table></div>"
    ).format(safe(title), head, body)


def _axis() -> Markup:
    return _line((0, _ABOVE + _TALL, 100, _ABOVE + _TALL), "axis")


def _label(across: float, text: str, index: int, count: int) -> Markup:
    """A label below the axis. Of many, a wide chart shows some, and a narrow one fewer of these.

    They are counted from the newest, which ends where the chart does.
    """
    older = count - 1 - index
    step = -(-count // 12)
    if older % step:
        return Markup()
    fewer = step * -(-count // (step * 4))
    kind = "quiet"
    if count > 5 and older % fewer:  # up to nine stand side by side where numbers do
        kind = "quiet some" if count > 9 else "quiet told"
    place = (100.0, "end") if count > 5 and not older else (across, "middle")
    return _text(place[0], _ABOVE + _TALL + 17, safe(text), place[1], kind)


def _fit(texts: Sequence[Any]) -> bool:
    """Whether there is room for the texts side by side, where a chart is wide."""
    longest = max((len(escape(text).striptags()) for text in texts), default=0)
    return len(texts) * (longest * 7.5 + 5) <= _WIDE


def _text(across: float, down: float, text: Any, anchor: str, kind: str) -> Markup:
    return Markup('<text x="{}%" y="{}" text-anchor="{}" class="{}">{}</text>').format(
        _short(across), _short(down), anchor, kind, text
    )


def _clipped(name: str) -> str:
    """A name as a chart has room for it; its numbers have it whole. What it ends in is kept."""
    told = safe(name)
    return told if len(told) <= _NAME else f"{told[: _NAME - 25]}…{told[-24:]}"


def _rect(left: float, top: float, wide: float, tall: float, place: int) -> Markup:
    return Markup('<rect x="{}%" y="{}" width="{}%" height="{}" class="s{}"/>').format(
        _short(left), _short(top), _short(wide), _short(tall), place % 4 + 1
    )


def _line(ends: Sequence[float], kind: str, title: str | None = None) -> Markup:
    inside = Markup() if title is None else Markup("<title>{}</title>").format(safe(title))
    return Markup('<line x1="{}%" y1="{}" x2="{}%" y2="{}" class="{}">{}</line>').format(
        *map(_short, ends), kind, inside
    )


_SHAPES = {
    "dot": Markup('<circle r="4"/>'),
    "ring": Markup('<circle r="5"/>'),
    "square": Markup('<rect x="-4.5" y="-4.5" width="9" height="9"/>'),
    "diamond": Markup('<path d="M0-6 6 0 0 6-6 0z"/>'),
    "cross": Markup('<path d="M-5-5 5 5M5-5-5 5"/>'),
}


def _mark(across: float, down: float, shape: str, kind: str, title: str | None = None) -> Markup:
    inside = Markup() if title is None else Markup("<title>{}</title>").format(safe(title))
    return Markup('<svg x="{}%" y="{}"><g class="{}">{}{}</g></svg>').format(
        _short(across), _short(down), kind, inside, _SHAPES[shape]
    )


def _short(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
