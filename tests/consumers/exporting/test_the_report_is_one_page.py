"""`report` writes one page that reaches for nothing else, says the same in both languages, and is always the same."""

import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from consumers.report.figures import Bar, Covered, Figures, Gateway, Open, bars
from consumers.report.page import page
from consumers.report.words import LANGUAGES, Words, number
from schemas.times import DAY
from tests.consumers.commands import Commands
from tests.consumers.exporting.conftest import fill

DAYS = [Bar(f"2026-11-{day:02}", 2 + day * 7 % 11, day % 3) for day in range(1, 29)]
FIGURES = Figures(
    at=1_795_000_000_000, until=1_794_999_000_000, opt_outs=DAYS,
    gateways=[Gateway("sms-<1>", 1_200, 450, 1_900, 4_100, 9_000), Gateway("voice$x$", 30, 700, 900, 950, 990)],
    waiting=2, coverage=[Covered("*/*/marketing", 4, 1_017, 3), Covered("acme/sms/*", 1, 2, 0)], partial=5,
    queue=[Open("day", 2, 3, 0), Open("older", 1, 0, 1)],
)  # fmt: skip
EMPTY = Figures(1_795_000_000_000, None, [], [], 0, [], 0, [])
VOID = {"meta", "br", "link", "img"}


@cache
def made(language: str) -> str:
    """The page of these figures."""
    return page(FIGURES, language)


class Page(HTMLParser):
    """What a browser would see: tags that are closed, ids, addresses, and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.open += [] if tag in VOID else [tag]
        for name, value in attrs:
            self.ids += [value or ""] if name == "id" else []
            self.addresses += [value or ""] if name in {"src", "href", "xlink:href", "action", "data"} else []

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        assert tag in VOID or self.open.pop() == tag

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_is_whole_and_reaches_for_nothing_else(language: str) -> None:
    text = made(language)
    seen = Page(text)
    assert len(seen.ids) == len(set(seen.ids))
    assert all(address.removeprefix("#") in seen.ids for address in seen.addresses)
    assert not {"script", "img", "link", "iframe", "object", "image", "foreignobject"} & set(seen.tags)
    addresses = set(re.findall(r"https?://[^\s\"'<>)]+", text))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}  # names, not places
    assert re.search(r"url\((?!#)|@import", text) is None
    assert "@media print" in text
    assert f'<html lang="{language}">' in text


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_chart_has_a_name_a_description_and_its_table(language: str) -> None:
    text = made(language)
    charts = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert len(charts) == 4 == text.count("<table>")
    for chart in charts:
        drawn = ElementTree.fromstring(chart)
        title, desc = list(drawn)[:2]
        assert drawn.get("role") == "img"
        assert drawn.get("aria-labelledby") == f"{title.get('id')} {desc.get('id')}"
        assert title.text
        assert desc.text
    assert '<pattern id="opt-outs-' in text  # kinds are told apart by hatching too, on paper
    assert "sms-&lt;1&gt;" in text
    assert "voice$x$" in text


def test_the_same_figures_give_the_same_bytes() -> None:
    assert page(FIGURES) == made("en")


def test_both_languages_say_everything_in_words_of_their_own() -> None:
    for name in Words._fields:
        english, french = (getattr(words, name) for words in LANGUAGES.values())
        assert english, name
        assert french, name
        if isinstance(english, dict):
            assert english.keys() == french.keys()
        else:
            assert sorted(re.findall(r"{\w+}", english)) == sorted(re.findall(r"{\w+}", french)), name
        assert english != french, name


def test_figures_are_written_as_the_language_does() -> None:
    assert [number(1_234.5, words, 1) for words in LANGUAGES.values()] == ["1,234.5", "1\u202f234,5"]
    assert "1\u202f017" in made("fr")


def test_an_empty_ledger_has_a_page_too() -> None:
    text = page(EMPTY)
    assert Page(text).tags.count("section") == 4
    assert "<svg" not in text


def test_days_without_an_opt_out_are_shown_and_long_times_are_put_together() -> None:
    start = 1_767_225_600_000  # 2026-01-01, a Thursday
    assert [tuple(bar) for bar in bars([(start, 2, 1), (start + 2 * DAY, 1, 0)])] == [
        ("2026-01-01", 2, 1), ("2026-01-02", 0, 0), ("2026-01-03", 1, 0),
    ]  # fmt: skip
    weeks = list(bars([(start, 2, 1), (start + 3 * DAY, 5, 0), (start + 200 * DAY, 1, 0)]))
    assert weeks[0] == ("2025-12-29", 7, 1)
    assert len(weeks) == 30
    months = list(bars([(start, 2, 1), (start + 3_000 * DAY, 1, 0)]))
    assert months[0] == ("2026-01", 2, 1)
    assert sum(bar.opt_outs for bar in months) == 3


def test_the_command_asks_the_read_models_of_either_database(url: str, commands: Commands, tmp_path: Path) -> None:
    commands.environment.setenv("PREFLEDGER_DATABASE_URL", url)
    at = 1_795_000_000_000
    said = {"type": "PreferenceRevoked", "occurred_at": at - DAY}
    fill(url, "events", [said | {"offset": n, "by_free_text": n == 1} for n in range(4)] + [{"offset": 9}])
    fill(url, "enforcement", [{"event_id": f"e{n}", "gateway": "sms", "lag_ms": 10 * n} for n in range(1, 101)])
    fill(url, "account_coverage", [{"opted_out_since": 1, "covered": 3, "uncovered": 1}])
    fill(url, "follow_ups", [{"opened_at": at - 40 * DAY, "due_at": at - 1, "holds": True}])
    fill(url, "positions", [{"recorded_at": at - 60_000}])
    done = commands.json("report", "out.html", "--at", "2026-11-18T11:06:40Z")
    assert done == {"file": "out.html", "language": "en", "at": "2026-11-18T11:06:40.000Z"}
    text = (tmp_path / "out.html").read_text("utf-8")
    assert "4 opt-outs, 25.0 % of them in people&#x27;s own words" in text
    assert "<td>100</td><td>0.500</td><td>0.950</td><td>0.990</td><td>1.000</td>" in text
    assert "<td>1</td><td>3</td><td>1</td>" in text
    assert '<th scope="row">30 days or more</th><td>1</td><td>0</td><td>1</td>' in text
    assert commands("report", "fr.html", "--language", "fr").code == 0
    assert 'lang="fr"' in (tmp_path / "fr.html").read_text("utf-8")
    assert commands("report", "out.pdf").code == 2
    assert commands("report", "out.html", "--language", "de").code == 2
