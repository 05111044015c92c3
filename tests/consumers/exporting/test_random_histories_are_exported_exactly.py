"""Every read model of a random history in every format, and as it was at moments of it, against folds from scratch."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from consumers.bootstrap.extracts import open_table
from consumers.cells import incoming
from consumers.extract_files import WRITERS, write
from consumers.projector.following import Projector
from consumers.settings import Settings
from ledger.adapters.memory_log import MemoryLog
from projections.adapters.extract_columns import EXPORTED
from projections.adapters.read_models import READ_MODELS
from projections.adapters.sql_read_models import SqlReadModels
from projections.rebuilt import Rebuilt
from projections.rows.made import told
from schemas.events import StatementCorrected
from tests.consumers.exporting.conftest import fill
from tests.consumers.projector.rows import expected
from tests.databases import empty, stored_rows
from tests.histories import START, History, history
from tests.projections.logged import logged
from tests.reference_model import Fact, distinct, occurred

LATER = START + 500_000_000
Rows = list[tuple[Any, ...]]


def project(url: str, story: History) -> None:
    """Makes the rows of a history."""
    with closing(SqlReadModels(url)) as models:
        Projector(logged(story.facts, story.partitions), models, clock=lambda: LATER).once()


def in_order(rows: Iterable[Sequence[Any]]) -> Rows:
    return sorted(map(tuple, rows), key=repr)


def from_csv(path: Path, schema: pa.Schema) -> list[dict[str, Any]]:
    of = pyarrow.csv.ConvertOptions(column_types=schema, strings_can_be_null=True, quoted_strings_can_be_null=False)
    parse = pyarrow.csv.ParseOptions(newlines_in_values=True)
    rows = pyarrow.csv.read_csv(path, convert_options=of, parse_options=parse).to_pylist()
    return [{name: incoming(cell) if isinstance(cell, str) else cell for name, cell in row.items()} for row in rows]


READ: dict[str, Callable[[Path, pa.Schema], list[dict[str, Any]]]] = {
    ".parquet": lambda path, _: pq.read_table(path).to_pylist(),
    ".arrow": lambda path, _: pa.ipc.open_file(path).read_all().to_pylist(),
    ".csv": from_csv,
    ".jsonl": lambda path, _: [orjson.loads(line) for line in path.read_bytes().splitlines()],
}


def test_every_read_model_reads_back_from_every_format_as_it_stands(url: str, tmp_path: Path) -> None:
    project(url, history(Random(31), events=120, partitions=3))
    for name in EXPORTED:
        [key] = [column.name for column in list(READ_MODELS.tables[name].c)[:1]]
        texts = READ_MODELS.tables[name].c[key].type.python_type is str
        fill(url, name, [{key: '=1+1, "so"\r\n' if texts else -1}])
        wanted = in_order(stored_rows(url, name))
        assert len(wanted) > (name not in ("enforcement", "decisions", "rejected")), name
        for ending in WRITERS:
            path = tmp_path / f"{name}{ending}"
            with open_table(Settings(database_url=url), name, None) as extract:
                assert write(extract, path, milliseconds=True) == len(wanted)
            rows = READ[ending](path, extract.schema)
            assert in_order(row.values() for row in rows) == wanted, path.name
    assert READ.keys() == WRITERS.keys()


def known_then(facts: Sequence[Fact], at: int) -> list[Fact]:
    """What had been said by a moment, as is known now: also what was recorded later, and without what was corrected."""
    counts = {fact.position for fact in distinct(facts)}
    stays = [fact.event.kind == "operator" or isinstance(fact.event, StatementCorrected) for fact in facts]
    said = [always or occurred(fact) <= at for fact, always in zip(facts, stays, strict=True)]
    return [fact for fact, was_said in zip(facts, said, strict=True) if was_said and fact.position in counts]


def cut(rows: Iterable[Sequence[Any]], begin: int, at: int, *ends: int) -> Rows:
    """Rows that had begun by a moment; of what ended later nothing is known of its end."""
    begun = [list(row) for row in rows if row[begin] <= at]
    for row in begun:
        if row[ends[0]] is None or row[ends[0]] > at:
            for place in ends:
                row[place] = None
    return in_order(begun)


def spoken_of(log: MemoryLog) -> set[tuple[str, str]]:
    """Every subject with each scope that it had itself spoken of."""
    view = Rebuilt(log)
    subjects = {key.partition("#")[0] for key, _ in view.all_parts()}
    told_of = [told(list(view.parts(subject))) for subject in subjects]
    return {(one.subject, "/".join(said.scope)) for one in told_of for said in one.contact.said + one.account.said}


def as_of(url: str, name: str, at: int) -> Rows:
    with open_table(Settings(database_url=url), name, at) as extract:
        return in_order(row.values() for batch in extract.batches for row in batch.to_pylist())


def test_as_of_any_moment_there_is_what_a_fold_of_what_had_been_said_makes(url: str) -> None:
    seen: Counter[str] = Counter()
    for seed in range(40, 44):
        rng = Random(seed)
        story = history(rng, events=60, partitions=rng.choice((1, 3)))
        project(url, story)
        now = as_of(url, "current_preferences", LATER)
        every = expected(logged(story.facts, story.partitions), LATER)["events"]
        for at in sorted(rng.sample(story.times, 4)):
            facts = known_then(story.facts, at)
            log = logged(facts, story.partitions)
            rows, spoken = expected(log, at), spoken_of(log)
            intervals = [row for row in as_of(url, "preference_history", at) if row[:2] in spoken]
            assert intervals == cut(rows["preference_history"], 2, at, 3), (seed, at)
            assert as_of(url, "account_numbers", at) == cut(rows["account_numbers"], 2, at, 3), (seed, at)
            opened = [row[:7] + row[9:] for row in cut(rows["follow_ups"], 5, at, 9, 10)]
            assert as_of(url, "follow_ups", at) == in_order(opened), (seed, at)
            assert as_of(url, "current_preferences", at) == rows["current_preferences"], (seed, at)
            assert as_of(url, "events", at) == in_order(row for row in every if row[6] <= at), (seed, at)
            seen.update(fact.event.type for fact in facts)
            seen["differs from now"] += rows["current_preferences"] != now
        empty(url)
    assert all(seen[what] > 5 for what in ("StatementCorrected", "ContactUnlinked", "NumberReassigned")), seen
    assert seen["differs from now"] > 5
