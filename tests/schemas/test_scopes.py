"""Scopes: brand, channel and purpose, each a path, everything below it, or everything."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import ScopeError
from schemas.scope import Scope, covers, path, pattern

SEGMENTS = st.lists(st.from_regex(r"[a-z0-9_-]{1,5}", fullmatch=True), min_size=1, max_size=8).map(".".join)


@pytest.mark.parametrize("text", ["marketing", "marketing.offers", "a.b.c.d.e.f.g.h", "x_1-y", "0", "a" * 40])
def test_a_path_is_segments_joined_by_dots(text: str) -> None:
    assert path(text) == text
    assert pattern(text) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", "*", ".", "a.", ".a", "a..b", "A", "Marketing", "a b", " a", "a\n", "é", "a/b", "a.*", "*.a", "**"),
        *("a.b.c.d.e.f.g.h.i", "a" * 41, "\ud800", "\u0661"),
    ],
)
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(ScopeError, match="is not a path"):
        path(text)
    if text != "*":
        with pytest.raises(ScopeError):
            pattern(text)


@pytest.mark.parametrize(
    ("wide", "narrow", "expected"),
    [
        ("*", "marketing", True),
        ("*", "*", True),
        ("marketing", "marketing", True),
        ("marketing", "marketing.offers", True),
        ("marketing.offers", "marketing", False),
        ("marketing", "marketings", False),
        ("marketing", "marketing-offers", False),
        ("market", "marketing.offers", False),
        ("marketing", "*", False),
        ("marketing.offers", "marketing.offers.daily", True),
    ],
)
def test_a_path_covers_itself_and_what_is_below_it_by_whole_segments(wide: str, narrow: str, expected: bool) -> None:
    assert covers(wide, narrow) is expected


@given(SEGMENTS, SEGMENTS, SEGMENTS)
def test_covering_is_an_order(one: str, other: str, third: str) -> None:
    assert covers(one, one)
    assert covers("*", one)
    assert not (covers(one, other) and covers(other, one)) or one == other
    assert not (covers(one, other) and covers(other, third)) or covers(one, third)
    assert covers(one, f"{one}.{other}"[:300])


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        (Scope(), True),
        (Scope(purpose="marketing"), True),
        (Scope(brand="acme", channel="sms", purpose="marketing.offers"), True),
        (Scope(brand="other"), False),
        (Scope(channel="email"), False),
        (Scope(purpose="service"), False),
        (Scope(brand="acme", channel="sms", purpose="marketing.offers.daily"), False),
    ],
)
def test_a_scope_covers_a_message_if_all_three_of_it_do(scope: Scope, expected: bool) -> None:
    assert scope.covers("acme", "sms", "marketing.offers") is expected


@pytest.mark.parametrize("text", ["Marketing", "a..b", "", "a\n"])
def test_a_scope_of_what_is_no_path_cannot_be_made(text: str) -> None:
    with pytest.raises(ValueError, match="pattern"):
        Scope(purpose=text)
