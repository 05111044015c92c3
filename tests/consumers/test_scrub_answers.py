"""A scrub answers for every row what the gate answers for that contact alone, in every format and form of copy."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from consumers.cells import incoming
from consumers.copy import Copy, ViewCopy
from consumers.gate import Gate
from consumers.replica import Replica
from consumers.scrub import NOT_A_CONTACT, Wanted, scrub_file
from projections.adapters.memory_view import MemoryView
from schemas.errors import ContactError
from schemas.events import Event
from schemas.times import DAY
from tests.consumers.asking import MAIL, NOW, NUMBER, OTHER, REFERENCES, Facts
from tests.consumers.scrubbing import ROWS, WANTED, as_csv, few, loaded
from tests.histories import history
from tests.projections.folding import view_of
from tests.reference_model import Fact


class Crowd:
    """Persons with numbers, each with a generated history of its own, in one ledger under one policy."""

    def __init__(self, seed: int, histories: int) -> None:
        self.rng = Random(seed)
        self.facts = Facts()
        self.numbers: list[str] = []
        self.times: list[int] = []
        for _ in range(histories):
            self._live(history(self.rng, events=self.rng.randint(1, 14)).facts)

    def _live(self, facts: list[Fact]) -> None:
        names: dict[str, str] = {}
        for fact in facts:
            if fact.event.kind == "operator":
                continue
            said = fact.event.model_dump(exclude={"content", "schema_version", "subject", "capture", "actor"})
            known = {"subject": self._reference(fact.event, names)}
            if "account" in said:
                known["account"] = names.setdefault(said["account"], REFERENCES.of("account", said["account"]))
            event = fact.event.model_copy(update=known)
            self.times.append(event.occurred_at)
            self.facts.facts.append(fact._replace(event=event))

    def _reference(self, event: Event, names: dict[str, str]) -> str:
        if event.kind == "account":
            return names.setdefault(event.subject, REFERENCES.of("account", event.subject))
        if event.subject not in names:
            area = self.rng.choice(("+1416", "+1212", "+3361"))  # Canada, the United States, France
            number = f"{area}{2_000_000 + self.rng.randrange(7_000_000)}"
            self.numbers.append(number)
            names[event.subject] = REFERENCES.of("number", number)
        return names[event.subject]

    def view(self) -> MemoryView:
        self.facts.facts.sort(key=lambda fact: (fact.event.kind != "operator", fact.recorded_at))
        facts = [
            fact._replace(position=fact.position._replace(offset=place)) for place, fact in enumerate(self.facts.facts)
        ]
        return view_of(facts, batch=10_000)


def changed_in_front(view: MemoryView) -> Replica:
    replica = loaded(MemoryView())
    subjects = sorted({part["subject"] for part in map(json.loads, (value for _, value in view.all_parts()))})
    replica.apply([part for subject in subjects[::2] for part in view.parts(subject)], {})
    replica.merge()
    replica.apply([part for subject in subjects for part in view.parts(subject)], view.watermark())
    return replica


def expected(copy: Copy, contacts: list[str], wanted: Wanted) -> list[tuple[str, tuple[str, ...]]]:
    gate = Gate(copy, REFERENCES, region=wanted.region)
    found = []
    for contact in contacts:
        try:
            decision = gate.decide(
                contact, channel=wanted.channel, purpose=wanted.purpose, brand=wanted.brand, at=wanted.at
            )
        except ContactError:
            found.append((NOT_A_CONTACT, ()))
        else:
            found.append(("allowed", ()) if decision.allowed else (decision.reason, decision.evidence))
    return found


@pytest.mark.parametrize("make", [ViewCopy, loaded, changed_in_front])
@pytest.mark.parametrize("seed", [1, 2])
def test_every_row_gets_the_answer_of_the_gate(make: Callable[[MemoryView], Copy], seed: int, tmp_path: Path) -> None:
    crowd = Crowd(seed, histories=300)
    view = crowd.view()
    copy = make(view)
    contacts = [*crowd.numbers, *(f"+1647{2_000_000 + place}" for place in range(40)), "nobody", "+1", MAIL]
    crowd.rng.shuffle(contacts)
    for at in crowd.rng.sample(sorted(set(crowd.times)), 6):
        for purpose in ("marketing.offers", "service", "survey", "service.codes"):
            moment = at + crowd.rng.choice((-1, 0, 1)) + crowd.rng.choice((0, 0, 730 * DAY))
            wanted = Wanted(channel="sms", purpose=purpose, at=moment, brand="acme")
            source = tmp_path / "list.csv"
            source.write_text("id,number\n" + "".join(f"{n},{contact}\n" for n, contact in enumerate(contacts)))
            result = scrub_file(source, tmp_path / "out.csv", tmp_path / "no.csv", copy, REFERENCES, wanted)
            answers = expected(ViewCopy(view), contacts, wanted)
            assert read(tmp_path / "out.csv", tmp_path / "no.csv", contacts) == answers
            assert result.rows == len(contacts)
            assert result.allowed + result.denied == result.rows
            assert result.rejected == sum(reason == NOT_A_CONTACT for reason, _ in answers) == 2
            assert sum(result.by_reason.values()) == result.rows


def read(allowed: Path, denied: Path, contacts: list[str]) -> list[tuple[str, tuple[str, ...]]]:
    """What the two files say of each row."""
    said: dict[int, tuple[str, tuple[str, ...]]] = {}
    with allowed.open(newline="") as out, denied.open(newline="") as no:
        for row in csv.DictReader(no):
            assert contacts[int(row["id"])] == incoming(row["number"])
            said[int(row["id"])] = (row["reason"], tuple(row["events"].split()))
        for row in csv.DictReader(out):
            assert contacts[int(row["id"])] == row["number"]
            assert int(row["id"]) not in said
            said[int(row["id"])] = ("allowed", ())
    return [said[place] for place in range(len(contacts))]


def test_blocks_and_processes_change_nothing(tmp_path: Path) -> None:
    """A file of many blocks, with rows of several lines, in this process and in two others."""
    copy, _ = few()
    rng = Random(3)
    rows = [ROWS[rng.randrange(6)] | {"name": f"{n}" + rng.choice(("", "\n", '"', ","))} for n in range(60_000)]
    source = tmp_path / "list.csv"
    as_csv(source, [row | {"filler": "f" * 60} for row in rows])
    pq.write_table(pa.Table.from_pylist(rows + rows), tmp_path / "list.parquet")
    copy.apply([], {0: 99})
    for name in ("list.csv", "list.parquet"):
        made = []
        for processes in (0, 2):
            out, no = tmp_path / "out", tmp_path / "no"
            result = scrub_file(tmp_path / name, out, no, copy, REFERENCES, WANTED, processes)
            made.append((result.as_json(), out.read_bytes(), no.read_bytes()))
        assert made[0] == made[1]
        assert made[0][0]["rows"] == len(rows) * (2 if name == "list.parquet" else 1)


def test_an_old_copy_lets_no_row_pass(tmp_path: Path) -> None:
    copy, _ = few()
    copy.is_current(as_of=-1e9)
    as_csv(tmp_path / "list.csv", ROWS)
    result = scrub_file(tmp_path / "list.csv", tmp_path / "out.csv", None, copy, REFERENCES, WANTED)
    assert result.by_reason == {"stale": 4, NOT_A_CONTACT: 2}


def test_an_account_that_opted_out_since_the_tables_were_written_denies_its_numbers(tmp_path: Path) -> None:
    facts = Facts()
    for number in (NUMBER, OTHER):
        facts.says("ContactLinked", "number", number, account="ACC-1")
    facts.says("PreferenceGranted", "email", MAIL)
    copy = loaded(facts.view())
    no = facts.says("PreferenceRevoked", "account", "ACC-1")
    view = facts.view()
    copy.apply(view.parts(REFERENCES.of("account", "ACC-1")), view.watermark())
    (tmp_path / "list.csv").write_text(f"number\n{NUMBER}\n{MAIL}\n{OTHER}\n")
    for processes in (0, 1):
        scrub_file(tmp_path / "list.csv", tmp_path / "o", tmp_path / "n", copy, REFERENCES, WANTED, processes)
        assert (tmp_path / "o").read_text() == f"number\n{MAIL}\n"
        told = f",revoked_by_account,{no}\n"
        assert (tmp_path / "n").read_text() == f"number,reason,events\n'{NUMBER}{told}'{OTHER}{told}"


def test_of_grants_a_millisecond_apart_each_runs_out_in_its_own(tmp_path: Path) -> None:
    """Of one shape, and so of one class but for their times: at the moment of the question, and at the greatest age."""
    facts = Facts()
    numbers = [f"+1416555012{place}" for place in range(6)]
    for place, number in enumerate(numbers):
        facts.says("PreferenceGranted", "number", number, basis="implied", occurred_at=NOW - 2_000_000 + place)
    copy, view = loaded(facts.view()), ViewCopy(facts.view())
    (tmp_path / "list.csv").write_text("number\n" + "".join(f"{number}\n" for number in numbers))
    for shift in (0, 730 * DAY):
        for place in range(-1, 7):
            wanted = Wanted(channel="sms", purpose="marketing", at=NOW - 2_000_000 + place + shift)
            scrub_file(tmp_path / "list.csv", tmp_path / "o", None, copy, REFERENCES, wanted)
            allowed = [
                number
                for number, (reason, _) in zip(numbers, expected(view, numbers, wanted), strict=True)
                if reason == "allowed"
            ]
            assert (tmp_path / "o").read_text().splitlines()[1:] == allowed
            assert len(allowed) == (min(max(place + 1, 0), 6) if not shift else 6 - min(max(place, 0), 6))


def test_what_is_halted_names_the_halt_and_not_the_row(tmp_path: Path) -> None:
    facts = Facts()
    facts.says("PreferenceRevoked", "number", NUMBER)
    halt = facts.halts(channel="sms")
    as_csv(tmp_path / "list.csv", ROWS)
    copy = loaded(facts.view())
    scrub_file(tmp_path / "list.csv", tmp_path / "out.csv", tmp_path / "no.csv", copy, REFERENCES, WANTED)
    with (tmp_path / "no.csv").open(newline="") as file:
        assert [(row["reason"], row["events"]) for row in csv.DictReader(file)] == [("halted", halt)] * 4 + [
            (NOT_A_CONTACT, "")
        ] * 2
