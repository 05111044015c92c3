"""Times: RFC 3339 at the edges, whole milliseconds inside, one spelling each, and nothing guessed."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import TimeError
from schemas.times import DAY, parse_time, rfc3339, time_zone

TORONTO, PARIS = ZoneInfo("America/Toronto"), ZoneInfo("Europe/Paris")
LATEST = 253_402_300_799_999


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00.001Z", 1),
        ("1970-01-02 00:00:00+00:00", DAY),
        ("2026-11-22T10:00:00Z", 1_795_341_600_000),
        ("2026-11-22t10:00:00z", 1_795_341_600_000),
        ("2026-11-22T05:00:00-05:00", 1_795_341_600_000),
        ("2026-11-22T11:00:00+01:00", 1_795_341_600_000),
        ("2026-11-22T10:00:00.999999Z", 1_795_341_600_999),
        ("2026-11-22T10:00Z", 1_795_341_600_000),
        (" 2026-11-22T10:00:00Z ", 1_795_341_600_000),
        ("9999-12-31T23:59:59.999Z", LATEST),
        ("2024-02-29T00:00:00Z", 1_709_164_800_000),
    ],
)
def test_a_time_with_an_offset_is_one_moment(text: str, expected: int) -> None:
    assert parse_time(text) == expected
    assert parse_time(text, TORONTO) == expected


@pytest.mark.parametrize("text", ["2026-11-22T10:00:00", "2026-11-22 10:00", "2026-11-22T10:00:00.5"])
def test_a_time_without_an_offset_needs_a_time_zone(text: str) -> None:
    with pytest.raises(TimeError, match=r"has no offset; add one .* or name its time zone"):
        parse_time(text)
    assert parse_time(text, TORONTO) == parse_time(f"{text}-05:00")


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        ("2026-11-01T01:30:00", TORONTO, "2026-11-01T01:30:00-05:00"),
        ("2026-10-25T02:30:00", PARIS, "2026-10-25T02:30:00+01:00"),
    ],
)
def test_a_time_that_the_clocks_show_twice_is_the_later_of_the_two(text: str, zone: ZoneInfo, expected: str) -> None:
    assert parse_time(text, zone) == parse_time(expected)


def test_a_time_that_the_clocks_leap_over_is_still_a_moment_near_it() -> None:
    leapt = parse_time("2026-03-08T02:30:00", TORONTO)
    assert abs(leapt - parse_time("2026-03-08T03:00:00-04:00")) <= 3_600_000


@pytest.mark.parametrize("text", ["2026-11-22", "20261122", "2026-W47-7", "2026-11-22T", "2026-326"])
def test_a_day_is_not_a_time_because_its_first_and_its_last_moment_differ(text: str) -> None:
    with pytest.raises(TimeError, match="is not a time"):
        parse_time(text, TORONTO)


@pytest.mark.parametrize(
    "text",
    [
        *("", "now", "yesterday at noon", "1795341600", "1795341600000", "22/11/2026 10:00", "11/22/2026 10:00:00"),
        *("2026-13-01T00:00:00Z", "2026-02-29T00:00:00Z", "2026-11-22T24:00:01Z", "2026-11-22T10:60:00Z"),
        *("2026-11-22T10:00:00+99:00", "10000-01-01T00:00:00Z", "2026-11-22T10:00:00ZZ", "2026-11-22_10:00:00Z"),
        *("٢٠٢٦-11-22T10:00:00Z", "2026-11-22T10:00:00\ud800", "2026-11-22T10:00:00 Europe/Paris", "x" * 10_000),
        *("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"),
    ],
)
def test_what_is_no_time_is_refused_in_words(text: str) -> None:
    with pytest.raises(TimeError) as caught:
        parse_time(text)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize("text", ["1969-12-31T23:59:59.999Z", "1970-01-01T00:00:00+00:01", "0001-01-01T00:00:00Z"])
def test_a_time_before_1970_is_refused(text: str) -> None:
    with pytest.raises(TimeError, match="is before 1970"):
        parse_time(text)


@given(st.integers(0, LATEST))
def test_a_time_written_and_read_is_the_same(millis: int) -> None:
    assert parse_time(rfc3339(millis)) == millis


@given(st.integers(0, LATEST), st.integers(0, LATEST))
def test_texts_sort_as_the_times_do(one: int, other: int) -> None:
    assert (rfc3339(one) < rfc3339(other)) == (one < other)


@given(
    st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(9999, 12, 30)),  # noqa: DTZ001  # they get a zone
    st.sampled_from([TORONTO, PARIS, ZoneInfo("Asia/Kolkata"), ZoneInfo("Pacific/Apia"), ZoneInfo("UTC")]),
)
def test_a_local_time_is_read_as_its_zone_says(local: datetime, zone: ZoneInfo) -> None:
    moment = local.replace(tzinfo=zone, fold=1)
    since = moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    assert parse_time(local.isoformat(), zone) == since // timedelta(milliseconds=1)


@given(st.text(max_size=40))
def test_any_text_is_a_time_or_is_refused(text: str) -> None:
    for zone in (None, TORONTO):
        try:
            millis = parse_time(text, zone)
        except TimeError:
            continue
        assert 0 <= millis <= LATEST


@pytest.mark.parametrize(
    "name", ["", "Toronto", "EST5EDT/..", "../../etc/passwd", "/etc/passwd", "Europe", "\x00", "é"]
)
def test_what_is_no_time_zone_is_refused(name: str) -> None:
    with pytest.raises(TimeError, match="is no time zone; use a name such as America/Toronto"):
        time_zone(name)


def test_a_time_zone_is_known_by_its_name() -> None:
    assert time_zone("America/Toronto") == TORONTO
