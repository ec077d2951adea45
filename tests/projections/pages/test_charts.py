"""Charts: the numbers of a picture stand in its table too, and others' text stays text."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from xml.etree import ElementTree

from projections.pages.charts import Lane, Point, Series, Span, Value, bars, line, stacked, timeline

T = [datetime(2026, 3, day, 9, tzinfo=UTC) for day in range(1, 9)]
EVIL = '<script>alert("x")</script>\u202e'


def texts(html: str) -> str:
    """The text of a chart, which has to be well-formed."""
    return " ".join(ElementTree.fromstring(html).itertext())


def test_bars_stand_as_tall_as_their_numbers() -> None:
    two = [Series("in", [Value(4), Value(2)]), Series("out", [Value(1), Value(None)])]
    made = bars("In and out", ["2026-01", "2026-02"], two)
    assert re.findall(r'height="([\d.]+)" class="s\d"/><text', made) == ["150", "37.5", "75"]
    assert "unknown" in texts(made)


def test_shapes_on_a_line_of_time_have_a_key() -> None:
    points = [Point(T[0], "made", "ring"), Point(T[1], "kept"), Point(T[2], "made", "ring")]
    made = timeline("Promises", T[0], T[7], [Lane("p1", points, [Span(T[3], T[4], "late")])], UTC)
    key = made.partition("</ul>")[0]
    assert re.findall(r"</svg>([^<]+)</li>", key) == ["made", "kept", "late"]


def test_a_number_links_to_its_rows() -> None:
    made = stacked("Kept", ["north"], [Series("kept", [Value(3, "list/kept.html")])])
    assert '<td class="n"><a href="list/kept.html">3</a></td>' in made


def test_a_line_is_broken_where_nothing_is_known() -> None:
    made = line("Backlog", ["a", "b", "c", "d"], Series("open", [*map(Value, (1, None, 2, 4))]))
    assert made.count('class="curve"') == 1


def test_labels_and_numbers_are_left_out_before_they_overlap() -> None:
    weeks = [f"2026-W{week:02}" for week in range(1, 27)]
    many = bars("Weeks", weeks, [Series("in", [Value(n) for n in range(26)])])
    assert re.findall(r'class="quiet some">([^<]+)<', many) == [
        weeks[at] for at in (1, 4, 10, 13, 19, 22)
    ]
    assert re.findall(r'class="quiet">([^<]+)<', many) == [weeks[at] for at in (7, 16, 25)]
    assert many.count('class="told"') == 0
    some = bars("Months", weeks[:12], [Series("in", [Value(n) for n in range(12)])])
    assert some.count('class="told"') == 12
    large = bars("Months", weeks[:12], [Series("in", [Value(n * 1000) for n in range(12)])])
    assert large.count('class="told"') == 0


def test_a_chart_of_nothing_is_a_chart() -> None:
    for made in (bars("Nothing", [], []), stacked("Nothing", [], [])):
        assert "<svg" in made
    assert "<svg" in line("Nothing", [], Series("none", []))


def test_a_picture_has_a_name_and_a_table() -> None:
    made = timeline(
        "Promises",
        T[0],
        T[7],
        [Lane("p1", [Point(T[2], "kept")], [Span(T[0], T[5], "due", bad=True)])],
        UTC,
    )
    assert '<svg role="img" aria-label="Promises"' in made
    assert "<title>Promises</title>" in made
    assert "2026-03-03 09:00 p1 kept" in texts(made)


def test_what_others_wrote_stays_text() -> None:
    made = timeline(EVIL, T[0], T[1], [Lane(EVIL, [Point(T[0], EVIL)])], UTC)
    made += bars(EVIL, [EVIL], [Series(EVIL, [Value(1)])])
    assert "<script>" not in made
    assert "\u202e" not in made
