"""What `python -m tests.bench big` measured, as tables and a picture in the documents.

    python -m tests.bench plot FILE.json [--docs DIR]

The tables go into performance.md between two marks, the picture into performance.svg. It takes
matplotlib: pip install -r tests/support/plot_requirements.txt
"""

from __future__ import annotations

import argparse
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- big: made by python -m tests.bench plot -->", "<!-- end of big -->"
INK, FAINT, PAPER = "#1f2329", "#d4d9df", "#fefefe"
DARK = {INK: "#e6e9ee", FAINT: "#3a4048", PAPER: "#15181c"}
"""What these colours are where people like it dark; those of the lines are read on both."""
COLOURS = {
    "import": "#e0457b",
    "rebuild": ("#e07b00", "#b88700"),
    "cases": ("#0091d5", "#5b8def"),
    "promises": "#00a3a3",
    "case": "#7a8794",
    "audit": ("#2f9e44", "#74a318"),
    "backup": "#a0795c",
    "archive": ("#9c5fd6", "#c44fc4", "#7468e0"),
}
"""By the first word of a command: one colour, or one for each of its commands in turn."""
_FONT = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif"
_GAP = 0.047
"""Between the lines of text beside a plot, as a share of its height."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command to its parser."""
    parser.add_argument("file", type=Path, metavar="FILE.json")
    parser.add_argument("--docs", type=Path, default=Path(__file__).parents[2] / "docs")


def run(options: argparse.Namespace) -> None:
    """Write the tables and the picture."""
    results = json.loads(options.file.read_bytes())
    page = options.docs / "performance.md"
    before, _, rest = page.read_text("utf-8").partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise SystemExit(f"{page} has not the marks {BEGIN} and {END}")
    page.write_text(f"{before}{BEGIN}\n\n{tables(results)}\n{END}{after}", "utf-8")
    (options.docs / "performance.svg").write_text(picture(results), "utf-8")


# --- tables ----------------------------------------------------------------------------------


def tables(results: Mapping[str, Any]) -> str:
    """The tables in Markdown: what each command took, how large the files are, and the machine."""
    sizes = results["sizes"]
    head = [f"{one['events']:,}" for one in sizes]
    rows = [["command", *(f"{cell} events" for cell in head)]]
    rows += [
        [name, *(_taken(told) for told in of_sizes)] for name, of_sizes in _by_step(sizes).items()
    ]
    names = dict.fromkeys(name for one in sizes for name in one["bytes"])
    files = [["file", *(f"{cell} events" for cell in head)]]
    files += [[f"`{name}`", *(_bytes(one["bytes"].get(name)) for one in sizes)] for name in names]
    return "\n".join([*_markdown(rows), "", *_markdown(files), "", *_notes(results), ""])


def _by_step(sizes: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any] | None]]:
    """Of each command what it took at each size, in the order of the commands."""
    found: dict[str, list[Mapping[str, Any] | None]] = {}
    for index, one in enumerate(sizes):
        for told in one["steps"]:
            found.setdefault(told["step"], [None] * len(sizes))[index] = told
    return found


def _taken(told: Mapping[str, Any] | None) -> str:
    if told is None:
        return "not measured"
    if told["state"] != "done":
        return str(told["state"].partition(":")[0])
    return f"{_plain(told['seconds'])} s, {_plain(told['cpu'])} s, {told['memory'] / 1e6:,.0f} MB"


def _plain(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def _bytes(size: int | None) -> str:
    return "" if size is None else f"{size / 1e6:,.0f} MB"


def _markdown(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    head, *others = rows
    yield f"| {' | '.join(head)} |"
    yield f"|---|{'---:|' * (len(head) - 1)}"
    for row in others:
        yield f"| {' | '.join(row)} |"


def _notes(results: Mapping[str, Any]) -> Iterator[str]:
    machine = results["machine"]
    yield (
        f"{machine['cores']} cores ({machine['processor']}), {machine['memory']} of memory, a "
        f"flush of {machine['flush_ms']:.2f} ms (median), Python {machine['python']}, SQLite "
        f"{machine['sqlite']}, {machine['system']}. The load was {machine['load']:.1f} before."
    )
    for one in results["sizes"]:
        missing = [
            f"{told['step']}: {' '.join(told['state'].split())}"
            for told in one["steps"]
            if told["state"] != "done"
        ]
        if missing:
            yield ""
            yield f"Not measured at {one['events']:,} events: {'; '.join(missing)}."


# --- the picture -----------------------------------------------------------------------------


def picture(results: Mapping[str, Any]) -> str:
    """An SVG with time and memory against events, both axes in powers of ten."""
    import matplotlib as mpl  # it may not be there

    mpl.use("svg")
    from matplotlib import pyplot

    plain: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": "casestore",
        "font.size": 11,
        "text.color": INK,
        "axes.labelcolor": INK,
        "axes.edgecolor": FAINT,
        "xtick.color": INK,
        "ytick.color": INK,
        "figure.facecolor": PAPER,
        "axes.facecolor": PAPER,
    }
    with pyplot.rc_context(plain):
        figure, (above, below) = pyplot.subplots(2, figsize=(10, 12.4))
        _panel(above, results, "seconds", "Time by the clock", _time, guide=True)
        _panel(below, results, "memory", "Most memory of one process", _memory, guide=False)
        figure.subplots_adjust(left=0.085, right=0.69, top=0.955, bottom=0.05, hspace=0.2)
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
        pyplot.close(figure)
    return _dressed(out.getvalue())


def _panel(
    axes: Any, results: Mapping[str, Any], key: str, title: str, show: Any, *, guide: bool
) -> None:
    sizes = [one["events"] for one in results["sizes"]]
    lines: list[tuple[str, str, list[tuple[int, float]]]] = []
    used: dict[str, int] = {}
    for name, of_sizes in _by_step(results["sizes"]).items():
        kind = name.split()[0].strip(",")
        colours = COLOURS[kind]
        place = used[kind] = used.get(kind, -1) + 1
        colour = colours if isinstance(colours, str) else colours[place % len(colours)]
        spots = [
            (events, told[key])
            for events, told in zip(sizes, of_sizes, strict=True)
            if told and told["state"] == "done"
        ]
        if spots:
            lines.append((name, colour, spots))
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_title(title, loc="left", fontsize=14, fontweight="bold", pad=10)
    axes.set_xticks(sizes, [f"{events:,}" for events in sizes])
    axes.set_xlabel("events in the store")
    values = [value for _, _, spots in lines for _, value in spots]
    low, high = min(values) / 1.4, max(values) * 1.6
    axes.set_ylim(low, high * 1.1)
    axes.set_xlim(min(sizes) / 1.12, max(sizes) * 1.03)
    ticks = [each for each in TICKS[key] if low <= each <= high]
    axes.set_yticks(ticks, [show(each) for each in ticks])
    axes.minorticks_off()
    axes.grid(color=FAINT, linewidth=0.8)
    axes.tick_params(length=0, pad=7)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    if guide and len(sizes) > 1:
        _guide(axes, sizes, high)
    for _, colour, spots in lines:
        axes.plot(
            *zip(*spots, strict=True), color=colour, linewidth=2.2, marker="o", markersize=5.5
        )
    _labels(axes, lines, show)


TICKS = {
    "seconds": (0.1, 0.3, 1, 3, 10, 30, 60, 180, 600, 1800, 3600),
    "memory": tuple(n * 1e6 for n in (10, 20, 30, 50, 100, 200, 300, 500, 1e3, 2e3, 3e3, 5e3, 1e4)),
}


def _guide(axes: Any, sizes: Sequence[int], high: float) -> None:
    """A dotted line that rises as work does that is in proportion to the events."""
    first, last = min(sizes), max(sizes)
    begin = high * first / last
    axes.plot(
        (first, last),
        (begin, begin * last / first),
        color=INK,
        linewidth=1.1,
        linestyle=(0, (1, 3)),
    )
    middle = (first * last) ** 0.5
    axes.annotate(
        "ten times the events, ten times the time",
        (middle, begin * middle / first),
        xytext=(-8, 6),
        ha="right",
        textcoords="offset points",
        fontsize=9.5,
    )


def _labels(
    axes: Any, lines: Sequence[tuple[str, str, list[tuple[int, float]]]], show: Any
) -> None:
    """The name of each line beside its end, with the last value; none covers another."""
    to_axes = axes.transAxes.inverted()
    ends = sorted(
        (
            (*to_axes.transform(axes.transData.transform(spots[-1])), name, colour, spots[-1])
            for name, colour, spots in lines
        ),
        key=lambda end: end[1],
    )
    heights = spread([end[1] for end in ends], _GAP)
    most = max(spots[-1][0] for _, _, spots in lines)
    for (x, y, name, colour, (events, value)), height in zip(ends, heights, strict=True):
        told = show(value) if events == most else "stopped"
        axes.plot(
            (x + 0.012 if events == most else 1.025, 1.025, 1.04),
            (y if events == most else height, height, height),
            color=colour,
            linewidth=0.9,
            alpha=0.7,
            transform=axes.transAxes,
            clip_on=False,
        )
        text = {"transform": axes.transAxes, "va": "center", "color": colour, "clip_on": False}
        axes.text(1.05, height, f"{name}: {told}", **text)


def spread(wanted: Sequence[float], gap: float) -> list[float]:
    """Places as near as can be to those that are wanted, which rise, and at least `gap` apart."""
    groups: list[tuple[float, int]] = []  # the mean of what is wanted, less the gaps; how many
    for index, each in enumerate(wanted):
        mean, count = each - index * gap, 1
        while groups and groups[-1][0] >= mean:
            before, others = groups.pop()
            mean = (mean * count + before * others) / (count + others)
            count += others
        groups.append((mean, count))
    flat = [mean for mean, count in groups for _ in range(count)]
    return [mean + index * gap for index, mean in enumerate(flat)]


def _time(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.2g} min" if seconds < 600 else f"{seconds / 60:.0f} min"


def _memory(size: float) -> str:
    return f"{size / 1e6:.0f} MB" if size < 1e9 else f"{size / 1e9:.2g} GB"


def _dressed(svg: str) -> str:
    """The SVG with a style for dark places, and the fonts of the reader's machine."""
    rules = [
        f'[style*="{name}: {light}"] {{ {name}: {dark} !important }}'
        for light, dark in DARK.items()
        for name in ("fill", "stroke")
    ]
    style = (
        f"<style>text {{ font-family: {_FONT} !important }}\n"
        f"@media (prefers-color-scheme: dark) {{\n{chr(10).join(rules)}\n}}</style>"
    )
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"[ \t]+$", "", svg, flags=re.MULTILINE)
    title = "<title>Time and memory of casestore's commands against the number of events</title>"
    return re.sub(r"(<svg[^>]*>)", rf"\1\n {title}\n {style}", svg, count=1)
