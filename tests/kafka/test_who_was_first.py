"""Two machines that write at once: the order of the log says who was first, and both hear the same."""

from contextlib import closing
from dataclasses import replace
from functools import partial

import pytest

from ledger.adapters.kafka_append import KafkaAppend
from ledger.adapters.kafka_log import KafkaLog
from ledger.adapters.memory_people import MemoryPeople
from ledger.errors import UnavailableError
from ledger.log import Appended, Duplicate, Entry, Outcome
from ledger.record import Recorder
from ledger.reference import References
from ledger.requests import Amend, Grant, Revoke
from ledger.stamp import new_id
from projections.log_view import LogView
from projections.past import PastOfView
from schemas.encoding import decode
from schemas.events import StatementCorrected
from tests.contracts.log import entry, kinds, run_together
from tests.kafka.kafka_logs import Place, new_place
from tests.ledger.door import NUMBER, PERSON, SECRET

pytestmark = pytest.mark.kafka


@pytest.fixture(scope="module")
def place(broker_address: str, tmp_path_factory: pytest.TempPathFactory) -> Place:
    return new_place(broker_address, tmp_path_factory.mktemp("mirrors"), 3)


def recorder(log: KafkaLog, patience: float = 60) -> Recorder:
    """The door of one machine."""
    return Recorder(log, MemoryPeople(), References(SECRET), PastOfView(lambda: LogView(log.within(patience))))


def test_of_two_machines_that_claim_the_same_at_once_exactly_one_is_first(place: Place) -> None:
    with closing(place.log("left")) as left, closing(place.log("right")) as right:
        for _round in range(15):
            first = entry()
            second = entry(first.key, first.claim, first.content)
            outcomes: list[Outcome] = []

            def claim(log: KafkaLog, one: Entry, into: list[Outcome] = outcomes) -> None:
                into.extend(log.append([one]))

            run_together([partial(claim, left, first), partial(claim, right, second)])
            assert sorted(kinds(outcomes)) == ["Appended", "Duplicate"]


def test_several_processes_of_one_machine_share_its_mirror(place: Place) -> None:
    with closing(place.log("shared")) as one, closing(place.log("shared")) as other:
        batches = [[[entry(), entry()] for _call in range(15)] for _thread in range(4)]

        def append(log: KafkaLog, calls: list[list[Entry]]) -> None:
            for call in calls:
                assert kinds(log.append(call)) == ["Appended"] * 2

        run_together([partial(append, (one, other)[index % 2], calls) for index, calls in enumerate(batches)])
        entries = [made for calls in batches for call in calls for made in call]
        for log in (one, other):
            assert all(log.find(made.event_id) for made in entries)
            read = [found for partition in range(3) for found in log.read(partition)]
            assert len({found.position for found in read}) == len(read) >= len(entries)


def test_a_repetition_that_a_race_left_in_the_log_is_answered_with_the_first(place: Place) -> None:
    with closing(place.log("left")) as left, closing(KafkaAppend(place.broker)) as blind:
        first = entry(value=b"first")
        late = entry(first.key, first.claim, first.content, b"late")
        [appended] = left.append([first])
        [repeated] = blind.append([late])  # as one who did not know yet
        assert isinstance(appended, Appended)
        assert repeated.position.offset > appended.position.offset
        assert left.find(late.event_id) == left.find(first.event_id)
        assert [one.value for one in left.read_subject(first.key)] == [b"first", b"late"]
        [again] = left.append([entry(first.key, first.claim, first.content)])
        assert isinstance(again, Duplicate)
        assert again.first.value == b"first"


def test_who_writes_while_another_is_about_to_hears_that_the_other_was_first(place: Place) -> None:
    with closing(place.log("left")) as left, closing(KafkaAppend(place.broker)) as blind:
        first = entry(value=b"first")
        late = entry(first.key, first.claim, first.content, b"late")
        write = left._append.append_all

        def overtaken(calls: list) -> list:
            blind.append([first])  # between what `left` knew and what it writes
            return write(calls)

        left._append.append_all = overtaken  # type: ignore[method-assign, assignment]
        [outcome] = left.append([late])
        assert isinstance(outcome, Duplicate)
        assert outcome.first.value == b"first"


def test_with_other_content_both_are_stored_and_both_keep_the_claim(place: Place) -> None:
    with closing(place.log("left")) as left, closing(KafkaAppend(place.broker)) as blind:
        one = entry(value=b"one")
        other = entry(one.key, one.claim, value=b"other")
        left.append([one])
        blind.append([other])
        for again, first in ((one, b"one"), (other, b"other")):
            [outcome] = left.append([replace(again, event_id=new_id())])
            assert isinstance(outcome, Duplicate)
            assert outcome.first.value == first


def test_a_machine_that_has_not_read_the_log_yet_records_an_opt_out_and_flags_it(place: Place) -> None:
    with closing(KafkaAppend(place.broker)) as blind:
        blind.append([entry() for _entry in range(17_000)])
    with closing(place.log("new", append_patience=0)) as new:
        with pytest.raises(UnavailableError):
            recorder(new, 0).record(
                Grant(subject=NUMBER, channel="sms", purpose="marketing", brand="*", basis="express", origin=PERSON)
            )
        request = Revoke(subject=NUMBER, origin=PERSON, idempotency_key="behind")
        receipt = recorder(new, 0).record(request)
        assert "past_unknown" in receipt.flags
        assert receipt.follow_ups
        new.find(receipt.event_id)  # waits as long as it takes
        again = recorder(new).record(request)
        assert again.event_id == receipt.event_id


def test_a_correction_that_names_a_repetition_corrects_the_first(place: Place) -> None:
    with closing(place.log("left")) as left, closing(KafkaAppend(place.broker)) as blind:
        door = recorder(left)
        receipt = door.record(Revoke(subject=NUMBER, origin=PERSON, idempotency_key="twice"))
        first = decode(left.find(receipt.event_id).value)  # type: ignore[union-attr]
        again = first.model_copy(update={"event_id": new_id()})
        value = again.model_dump_json(exclude_none=True).encode()
        blind.append(
            [replace(entry(first.subject, first.idempotency_key, first.content, value), event_id=again.event_id)]
        )
        correction = door.record(
            Amend(
                type="StatementCorrected", event_id=again.event_id, details={"reason": "mistake"}, origin=PERSON,
                role="corrector",
            )
        )  # fmt: skip
        corrected = decode(left.find(correction.event_id).value)  # type: ignore[union-attr]
        assert isinstance(corrected, StatementCorrected)
        assert corrected.corrects == receipt.event_id
