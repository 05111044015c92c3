"""Figures as charts: SVG that the same figures always give byte for byte, with words for who does not see them.

Bars differ by hatching as well as by colour, so that they can be told apart on paper.
"""

import io
import re
from collections.abc import Callable, Sequence
from html import escape
from typing import Any, Final, NamedTuple

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

STYLE: Final[dict[Any, Any]] = {
    "svg.hashsalt": "prefledger", "svg.fonttype": "none", "text.parse_math": False, "hatch.linewidth": 0.8,
    "axes.spines.top": False, "axes.spines.right": False, "font.size": 9,
}  # fmt: skip
BARS: Final = (("#0b4f6c", ""), ("#f0b429", "///"), ("#9aa5b1", "..."))
INCHES: Final = (7.6, 2.9)
MOST_LABELS: Final = 12
NO_METADATA: Final = dict.fromkeys(("Date", "Creator", "Format", "Type"))

Cell = str


class Table(NamedTuple):
    """What is behind a chart."""

    head: Sequence[Cell]
    rows: Sequence[Sequence[Cell]]


class Series(NamedTuple):
    """Bars of one kind, one for each label."""

    name: str
    values: Sequence[float]


def stacked(labels: Sequence[str], series: Sequence[Series], name: str, title: str, said: str) -> str:
    """Bars over time or by kind, of which those of one label stand on each other."""

    def draw(axes: Axes) -> None:
        bottom = [0.0] * len(labels)
        for (kind, values), (colour, hatch) in zip(series, BARS, strict=False):
            axes.bar(
                range(len(labels)), list(values), bottom=bottom, label=kind, color=colour, hatch=hatch,
                edgecolor="white" if not hatch else "#333333", linewidth=0.4,
            )  # fmt: skip
            bottom = [below + value for below, value in zip(bottom, values, strict=True)]
        every = -(-len(labels) // MOST_LABELS)
        axes.set_xticks(range(0, len(labels), every), list(labels)[::every], rotation=30 if len(labels) > 4 else 0)
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))

    return _drawn(draw, name, title, said)


def beside(
    labels: Sequence[str], series: Sequence[Series], unit: str, name: str, title: str, said: str,
    written: Callable[[float], str],
) -> str:  # fmt: skip
    """Bars of which those of one label lie beneath each other, from left to right; `written`: a figure in words."""

    def draw(axes: Axes) -> None:
        thick = 0.8 / len(series)
        for place, ((kind, values), (colour, hatch)) in enumerate(zip(series, BARS, strict=False)):
            axes.barh(
                [row + place * thick for row in range(len(labels))], list(values), thick, label=kind, color=colour,
                hatch=hatch, edgecolor="white" if not hatch else "#333333", linewidth=0.4,
            )  # fmt: skip
        axes.set_yticks([row + thick * (len(series) - 1) / 2 for row in range(len(labels))], list(labels))
        axes.invert_yaxis()
        axes.set_xlabel(unit)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: written(value)))

    return _drawn(draw, name, title, said, rows=len(labels))


def _drawn(draw: Callable[[Axes], None], name: str, title: str, said: str, rows: int = 0) -> str:
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(INCHES[0], max(INCHES[1], 0.5 + 0.5 * rows)), layout="constrained")
        axes = figure.add_subplot()
        draw(axes)
        axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(0, 1.18), ncols=len(BARS))
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata=NO_METADATA)
    return _made_part_of_a_page(text.getvalue(), name, title, said)


def _made_part_of_a_page(svg: str, name: str, title: str, said: str) -> str:
    """Its ids are the chart's own, and it begins by what it is called and what it says."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'\b(id="|xlink:href="#|url\(#)', rf"\g<1>{name}-", svg)
    words = f'<title id="{name}-title">{escape(title)}</title><desc id="{name}-desc">{escape(said)}</desc>'
    opened = f'<svg role="img" aria-labelledby="{name}-title {name}-desc"'
    return re.sub(r"(<svg[^>]*>)", lambda head: head[1].replace("<svg", opened, 1) + words, svg, count=1)
