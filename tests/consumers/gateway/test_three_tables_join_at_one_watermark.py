"""What lies before one watermark in all three tables is taken in one piece, and nothing else."""

from random import Random
from typing import Any

import pytest

from consumers.gateway.joining import Join
from schemas.topics import TABLES, Table


def part(name: object) -> dict[str, Any]:
    return {"subject": str(name)}


def begun(**marks: int) -> Join:
    """A join whose tables have been read up to these watermarks."""
    join = Join()
    for table in TABLES:
        join.marked(table, marks.get(table.replace("-", "_"), 0))
    join.begin(dict.fromkeys(TABLES, 0))
    return join


def close_all(join: Join, offset: int) -> None:
    for table in TABLES:
        join.close(table, offset, 0)


def test_nothing_is_taken_before_the_last_of_the_three_has_come_to_the_watermark() -> None:
    join = begun()
    assert join.step() is not None
    join.add("by-number", part("a"))
    join.close("by-number", 5, 11)
    join.add("by-account", part("b"))
    join.close("by-account", 5, 12)
    assert join.step() is None
    join.close("reference", 5, 13)
    step = join.step()
    assert step is not None
    assert (step.offset, step.parts) == (5, [part("a"), part("b")])
    assert step.ends == {"by-number": 11, "by-account": 12, "reference": 13}


def test_a_table_that_is_ahead_waits_for_the_others_with_all_that_came_later() -> None:
    join = begun()
    join.step()
    for offset in (3, 6, 9):
        join.add("by-number", part(offset))
        join.close("by-number", offset, 0)
    join.close("by-account", 6, 0)
    join.close("reference", 9, 0)
    assert join.step() is None
    join.close("reference", 6, 0)  # a watermark that runs backwards is none
    join.close("by-account", 9, 0)
    step = join.step()
    assert step is not None
    assert (step.offset, [each["subject"] for each in step.parts]) == (9, ["3", "6", "9"])


def test_a_watermark_that_one_table_does_not_have_is_passed_over() -> None:
    """It could not be read there: what it closed may be mixed with what came after it, and is taken with that."""
    join = begun()
    join.add("by-number", part("early"))
    join.add("by-number", part("late"))
    join.close("by-number", 8, 0)
    for table in ("by-account", "reference"):
        join.close(table, 4, 0)  # type: ignore[arg-type]
    step = join.step()
    assert step is not None
    assert (step.offset, step.parts) == (0, [])  # it only says that it has begun
    for table in ("by-account", "reference"):
        join.close(table, 8, 0)  # type: ignore[arg-type]
    step = join.step()
    assert step is not None
    assert (step.offset, len(step.parts)) == (8, 2)


def test_an_idle_worker_that_repeats_a_watermark_is_not_news() -> None:
    join = begun()
    join.step()
    close_all(join, 7)
    assert join.step() is not None
    close_all(join, 7)
    assert join.step() is None
    close_all(join, 8)
    assert join.step() is not None


def test_what_one_table_is_ahead_when_it_begins_is_waited_for() -> None:
    join = Join()
    for table in TABLES:
        join.marked(table, 10)
    join.marked("by-account", 12)  # a step more was read of this one before all ends were passed
    join.begin(dict.fromkeys(TABLES, 0))
    assert join.step() is None
    close_all(join, 11)
    assert join.step() is None
    assert not join.is_whole
    for table in TABLES:
        join.close(table, 12, 0)
    step = join.step()
    assert step is not None
    assert step.offset == 12
    assert join.is_whole


def test_a_transaction_that_was_read_in_part_counts_from_the_next_watermark_on() -> None:
    join = Join()
    for table in TABLES:
        join.marked(table, 10)
    join.passed("by-number")  # a part of what the watermark 13 will close
    join.begin(dict.fromkeys(TABLES, 0))
    assert join.step() is None
    close_all(join, 13)
    step = join.step()
    assert step is not None
    assert step.offset == 13


def test_nothing_is_claimed_of_a_partition_of_which_no_worker_has_said_anything() -> None:
    join = Join()
    join.begin(dict.fromkeys(TABLES, 0))
    assert join.step() is None
    assert not join.is_whole


@pytest.mark.parametrize("seed", range(50))
def test_however_the_three_are_read_each_step_is_a_state_that_was(seed: int) -> None:
    """Each table read at its own speed: after a step to K exactly the parts that were written before K are taken."""
    rng = Random(seed)
    written: dict[Table, list[tuple[int, int | None]]] = {table: [] for table in TABLES}
    offset = 0
    for _ in range(30):
        offset += rng.randint(0, 3)
        for table in TABLES:
            for _ in range(rng.randint(0, 2)):
                written[table].append((offset, len(written[table])))
            written[table].append((offset, None))
    join, taken = begun(), []
    places = dict.fromkeys(TABLES, 0)
    while any(places[table] < len(written[table]) for table in TABLES):
        table = rng.choice([each for each in TABLES if places[each] < len(written[each])])
        at, name = written[table][places[table]]
        places[table] += 1
        if name is None:
            join.close(table, at, places[table])
        else:
            join.add(table, {"subject": (table, at, name)})
        step = join.step()
        if step is None:
            continue
        taken += [each["subject"] for each in step.parts]
        for each in TABLES:
            mine = [subject for subject in taken if subject[0] == each]
            due = [(each, at, name) for at, name in written[each] if name is not None and at < step.offset]
            assert mine[: len(due)] == due
            assert all(subject[1] <= step.offset for subject in mine)
    assert len(taken) == sum(name is not None for table in TABLES for _, name in written[table])
    assert join.waiting == 0


def test_a_table_that_was_left_alone_has_the_watermark_of_the_others() -> None:
    join = begun()
    join.step()
    join.add("by-number", part("a"))
    join.close("by-number", 5, 11, {"by-account": 0, "reference": 0})
    step = join.step()
    assert step is not None
    assert (step.offset, step.parts) == (5, [part("a")])
    assert step.ends == {"by-number": 11, "by-account": 0, "reference": 0}


def test_it_is_waited_for_until_its_own_last_watermark_was_read() -> None:
    join = begun()
    join.step()
    join.close("by-number", 5, 11, {"by-account": 4, "reference": 0})
    assert join.step() is None
    join.add("by-account", part("b"))
    join.close("by-account", 4, 12, {"by-number": 0, "reference": 0})
    step = join.step()
    assert step is not None
    assert (step.offset, step.parts) == (5, [part("b")])


def test_where_its_own_watermark_cannot_be_read_the_next_one_counts() -> None:
    """What came before the unreadable one, at 4, is mixed with what came before 9: at 5 it would be missing."""
    join = begun()
    join.step()
    join.close("by-number", 5, 11, {"by-account": 4, "reference": 0})
    join.add("by-account", part("before 4"))
    join.add("by-account", part("before 9"))
    join.close("by-account", 9, 13, {"by-number": 5, "reference": 0})
    step = join.step()
    assert step is not None
    assert (step.offset, len(step.parts)) == (9, 2)


def test_a_table_of_which_parts_of_a_transaction_were_taken_waits_for_its_own_watermark() -> None:
    join = Join()
    for table in TABLES:
        join.marked(table, 10)
    join.passed("by-account")  # a part of what its watermark 13 will close
    join.begin(dict.fromkeys(TABLES, 0))
    join.close("by-number", 12, 1, {"by-account": 10, "reference": 10})
    assert join.step() is None
    join.close("by-account", 13, 1, {"by-number": 12, "reference": 10})
    step = join.step()
    assert step is not None
    assert step.offset == 13


@pytest.mark.parametrize("seed", range(200))
def test_however_few_tables_are_written_each_step_is_a_state_that_was(seed: int) -> None:
    """As above; a transaction writes some of the tables, some watermarks cannot be read, at times all are written."""
    rng = Random(seed)
    written: dict[Table, list[tuple[int, int | None, dict[Table, int]]]] = {table: [] for table in TABLES}
    own, offset = dict.fromkeys(TABLES, 0), 0
    for turn in range(60):
        offset += rng.randint(1, 3)
        chosen = [table for table in TABLES if turn % 12 == 11 or rng.random() < 0.4] or ["by-number"]
        unchanged = {table: own[table] for table in TABLES if table not in chosen}
        for table in chosen:
            own[table] = offset
            for _ in range(rng.randint(0, 2)):
                written[table].append((offset, len(written[table]), {}))
            if turn % 12 == 11 or rng.random() < 0.9:
                written[table].append((offset, None, unchanged))
    join, taken = begun(), []
    places = dict.fromkeys(TABLES, 0)
    last = -1
    while any(places[table] < len(written[table]) for table in TABLES):
        table = rng.choice([each for each in TABLES if places[each] < len(written[each])])
        at, name, unchanged = written[table][places[table]]
        places[table] += 1
        if name is None:
            join.close(table, at, places[table], unchanged)
        else:
            join.add(table, {"subject": (table, at, name)})
        step = join.step()
        if step is None:
            continue
        assert step.offset >= last
        last = step.offset
        taken += [each["subject"] for each in step.parts]
        for each in TABLES:
            due = {(each, at, name) for at, name, _ in written[each] if name is not None and at <= step.offset}
            assert {subject for subject in taken if subject[0] == each} == due
    assert last == offset
    assert len(taken) == sum(name is not None for table in TABLES for _, name, _ in written[table])
    assert join.waiting == 0
