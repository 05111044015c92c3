"""The report as one page of HTML that reaches for nothing else: styles, charts and tables are all in it."""

from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from consumers.report.charts import Series, Table, beside, stacked
from consumers.report.figures import Figures
from consumers.report.words import LANGUAGES, Words, number
from schemas.times import rfc3339

STYLE: Final = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1b1b1b; max-width: 52rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.15rem; margin: 2rem 0 .3rem; } p { margin: .3rem 0; }
svg { width: 100%; height: auto; }
table { border-collapse: collapse; font-size: .85rem; margin: .6rem 0; }
th, td { border-bottom: 1px solid #bbb; padding: .15rem .8rem .15rem 0; text-align: right; }
th:first-child, td:first-child { text-align: left; } thead th { border-bottom: 2px solid #555; }
.attention { font-weight: 600; } footer { margin-top: 2rem; font-size: .8rem; color: #555; }
@media print {
  body { margin: 0; max-width: none; font-size: 10pt; color: #000; }
  section { break-inside: avoid; } h2 { break-after: avoid; } thead { display: table-header-group; }
}
"""
POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
MS: Final = 1000


def page(figures: Figures, language: str = "en") -> str:
    """The page in a language, `en` or `fr`. The same figures give the same page, byte for byte."""
    words = LANGUAGES[language]
    sections = "".join((*_opt_outs(figures, words), *_propagation(figures, words), *_rest(figures, words)))
    until = words.never if figures.until is None else words.until.format(until=_time(figures.until))
    return (
        f'<!DOCTYPE html>\n<html lang="{words.language}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(words.title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>{escape(words.title)}</h1>\n<p>{escape(words.as_of.format(at=_time(figures.at)))} {escape(until)}</p>\n"
        f"{sections}</main>\n<footer>{escape(words.footer)}</footer>\n</body>\n</html>\n"
    )


def _time(at: int) -> str:
    return rfc3339(at)[:16].replace("T", " ")


def _opt_outs(figures: Figures, words: Words) -> Iterator[str]:
    bars = figures.opt_outs
    total, own = sum(bar.opt_outs for bar in bars), sum(bar.in_own_words for bar in bars)
    share = number(100 * own / total if total else 0, words, 1)
    said = words.opt_outs_said.format(total=number(total, words), share=share)
    labels = [bar.label for bar in bars]
    otherwise = [bar.opt_outs - bar.in_own_words for bar in bars]
    series = (Series(words.otherwise, otherwise), Series(words.in_own_words, [bar.in_own_words for bar in bars]))
    rows = [
        (bar.label, *_numbers(words, bar.opt_outs - bar.in_own_words, bar.in_own_words, bar.opt_outs)) for bar in bars
    ]
    head = (words.period, words.otherwise, words.in_own_words, words.total)
    chart = stacked(labels, series, "opt-outs", words.opt_outs, said) if bars else ""
    yield _section(words, words.opt_outs, [said], chart, Table(head, rows))


def _propagation(figures: Figures, words: Words) -> Iterator[str]:
    gateways = figures.gateways
    names = (words.median, "95 %", "99 %")
    percentiles = ([one.p50 for one in gateways], [one.p95 for one in gateways], [one.p99 for one in gateways])
    series = [Series(name, [ms / MS for ms in of]) for name, of in zip(names, percentiles, strict=True)]
    said = words.propagation_said
    labels = [gateway.name for gateway in gateways]
    title = words.propagation
    chart = beside(labels, series, words.seconds, "propagation", title, said, lambda value: number(value, words, 1))
    rows = [(one.name, number(one.opt_outs, words), *(number(ms / MS, words, 3) for ms in one[2:])) for one in gateways]
    head = (words.gateway, words.opt_outs, *(f"{name}, s" for name in (*names, words.longest)))
    waiting = words.waiting.format(waiting=number(figures.waiting, words))
    yield _section(words, title, [said, waiting], chart if gateways else "", Table(head, rows))


def _rest(figures: Figures, words: Words) -> Iterator[str]:
    covered, uncovered = sum(one.covered for one in figures.coverage), sum(one.uncovered for one in figures.coverage)
    said = words.coverage_said.format(covered=number(covered, words), uncovered=number(uncovered, words))
    series = (
        Series(words.covered, [one.covered for one in figures.coverage]),
        Series(words.uncovered, [one.uncovered for one in figures.coverage]),
    )
    scopes = [one.scope for one in figures.coverage]
    chart = stacked(scopes, series, "coverage", words.coverage, said) if scopes else ""
    rows = [(one.scope, *_numbers(words, one.accounts, one.covered, one.uncovered)) for one in figures.coverage]
    partial = words.partial.format(partial=number(figures.partial, words))
    head = (words.scope, words.accounts, words.covered, words.uncovered)
    yield _section(words, words.coverage, [said, partial], chart, Table(head, rows), attention=uncovered > 0)
    yield _queue(figures, words)


def _queue(figures: Figures, words: Words) -> str:
    queue = figures.queue
    total, overdue = sum(one.holding + one.others for one in queue), sum(one.overdue for one in queue)
    said = words.queue_said.format(total=number(total, words), overdue=number(overdue, words))
    labels = [words.ages[one.age] for one in queue]
    series = (
        Series(words.holding, [one.holding for one in queue]), Series(words.others, [one.others for one in queue]),
    )  # fmt: skip
    chart = stacked(labels, series, "queue", words.queue, said) if queue else ""
    rows = [(words.ages[one.age], *_numbers(words, one.holding, one.others, one.overdue)) for one in queue]
    head = (words.age, words.holding, words.others, words.overdue)
    return _section(words, words.queue, [said], chart, Table(head, rows), attention=overdue > 0)


def _numbers(words: Words, *values: int) -> Iterator[str]:
    return (number(value, words) for value in values)


def _section(words: Words, title: str, said: Sequence[str], chart: str, table: Table, attention: bool = False) -> str:
    first = ' class="attention"' if attention else ""
    paragraphs = f"<p{first}>{escape(said[0])}</p>\n" + "".join(f"<p>{escape(text)}</p>\n" for text in said[1:])
    shown = f"{chart}{_table(table)}" if chart else f"<p>{escape(words.nothing)}</p>\n"
    return f"<section>\n<h2>{escape(title)}</h2>\n{paragraphs}{shown}</section>\n"


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in table.head)
    rows = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in row[1:])}</tr>\n'
        for row in table.rows
    )
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n"
