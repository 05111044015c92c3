"""What all erasable stores keep to. An adapter's test makes a subclass with a `people` fixture."""

import os
import threading
import time
from collections.abc import Iterator

import pytest
import uuid_utils

from ledger.people import Identity, People, Words


def ref() -> str:
    """A reference that nobody has used."""
    return os.urandom(16).hex()


def identity(of: str | None = None, id_: str = "+14165550123", *, renews: bool = False) -> Identity:
    return Identity(of or ref(), "number", id_, renews)


def words(of: str, text: str = "Stop. Thank you") -> Words:
    return Words(of, str(uuid_utils.uuid7()), os.urandom(16), text)


class PeopleContract:
    """The suite."""

    @pytest.fixture
    def people(self) -> People | Iterator[People]:
        raise NotImplementedError("an adapter's test gives its store")

    # What is kept is there

    @pytest.mark.parametrize(
        ("kind", "id_"),
        [
            ("number", "+14165550123"),
            ("email", "jean@example.org"),
            ("account", "ACC:77/ü " + "x" * 180),
            ("account", ""),
        ],
    )
    def test_an_identity_that_was_kept_is_known(self, people: People, kind: str, id_: str) -> None:
        one = Identity(ref(), kind, id_)
        people.keep([one])
        assert people.identity(one.ref) == one
        assert people.identities([one.ref]) == {one.ref: one}
        assert one.ref in list(people.all_refs())

    def test_nobody_is_known_who_was_not_kept(self, people: People) -> None:
        assert people.identity(ref()) is None
        assert people.identities([ref(), ref()]) == {}
        assert people.identities([]) == {}
        assert people.evidence(ref(), str(uuid_utils.uuid7())) is None

    def test_a_known_identity_stays_as_it_is(self, people: People) -> None:
        one = identity()
        people.keep([one])
        people.keep([identity(one.ref, "+15550000000"), identity(one.ref, "+15550000001", renews=True)])
        assert people.identity(one.ref) == one

    def test_of_two_in_one_call_the_first_stays(self, people: People) -> None:
        one = identity()
        people.keep([one, identity(one.ref, "+15550000000")])
        assert people.identity(one.ref) == one

    def test_thousands_are_kept_in_one_call_whoever_is_known_already(self, people: People) -> None:
        many = [identity(id_=f"+1416{number:07d}") for number in range(3_000)]
        people.keep(many[::3])
        people.keep(many)
        refs = [one.ref for one in many]
        assert people.identities([*refs, ref()]) == {one.ref: one for one in many}
        assert set(people.all_refs()) >= set(refs)
        assert len(set(people.all_refs())) == len(list(people.all_refs()))

    def test_nothing_may_be_kept(self, people: People) -> None:
        people.keep([])
        people.keep([], [])

    @pytest.mark.parametrize(
        "text", ["Stop. Thank you", "ARRÊT \u202e 🛑", "", "\0", "broken \udce9 surrogate", "x" * 100_000]
    )
    def test_the_words_are_kept_as_they_were_said(self, people: People, text: str) -> None:
        said = words(ref(), text)
        heard = Words(said.ref, str(uuid_utils.uuid7()), os.urandom(16), "", "media/7.amr")
        people.keep([identity(said.ref)], [said, heard])
        assert people.evidence(said.ref, said.event_id) == said
        assert people.evidence(heard.ref, heard.event_id) == heard
        assert people.evidence(said.ref, str(uuid_utils.uuid7())) is None
        assert people.evidence(ref(), said.event_id) is None

    def test_the_words_of_an_event_stay_as_they_are(self, people: People) -> None:
        said = words(ref())
        people.keep([], [said])
        people.keep([], [said._replace(text="something else", salt=b"x")])
        assert people.evidence(said.ref, said.event_id) == said

    # What is erased is gone

    def test_an_erasure_removes_identity_and_words_and_says_how_many(self, people: People) -> None:
        one = identity()
        said = [words(one.ref), words(one.ref, "and stop calling")]
        people.keep([one], said)
        assert people.erase(one.ref) == 3
        assert people.identity(one.ref) is None
        assert people.identities([one.ref]) == {}
        assert one.ref not in set(people.all_refs())
        assert [people.evidence(one.ref, each.event_id) for each in said] == [None, None]

    def test_an_erasure_may_be_repeated(self, people: People) -> None:
        one = identity()
        people.keep([one])
        assert [people.erase(one.ref) for _time in range(3)] == [1, 0, 0]

    def test_an_erasure_leaves_everybody_else_as_they_are(self, people: People) -> None:
        many = [identity(id_=f"+1416{number:07d}") for number in range(300)]
        said = [words(one.ref) for one in many]
        people.keep(many, said)
        for one in many[::2]:
            people.erase(one.ref)
        assert people.identities(one.ref for one in many) == {one.ref: one for one in many[1::2]}
        assert [people.evidence(each.ref, each.event_id) for each in said[1::2]] == said[1::2]

    def test_a_reference_that_was_erased_takes_nothing_again(self, people: People) -> None:
        one = identity()
        people.keep([one])
        people.erase(one.ref)
        said = words(one.ref)
        other = identity()
        people.keep([one, other], [said, words(other.ref)])
        assert people.identity(one.ref) is None
        assert people.evidence(one.ref, said.event_id) is None
        assert people.identity(other.ref) == other

    def test_what_was_erased_before_it_was_known_takes_nothing_either(self, people: People) -> None:
        one = identity()
        assert people.erase(one.ref) == 0
        people.keep([one])
        assert people.identity(one.ref) is None

    def test_a_new_yes_of_the_person_lets_it_be_known_again(self, people: People) -> None:
        one = identity()
        people.keep([one])
        people.erase(one.ref)
        said = words(one.ref, "yes, please")
        people.keep([one._replace(renews=True)], [said])
        assert people.identity(one.ref) == one
        assert people.evidence(one.ref, said.event_id) == said
        later = words(one.ref, "stop after all")
        people.keep([one], [later])
        assert people.evidence(one.ref, later.event_id) == later
        assert people.erase(one.ref) == 3

    def test_one_yes_among_several_mentions_is_enough(self, people: People) -> None:
        one = identity()
        people.erase(one.ref)
        people.keep([one, one._replace(renews=True), one])
        assert people.identity(one.ref) == one

    def test_what_is_forgotten_is_gone_but_may_come_again(self, people: People) -> None:
        one = identity()
        said = words(one.ref)
        people.keep([one], [said])
        assert people.forget(one.ref) == 2
        assert people.identity(one.ref) is None
        assert people.evidence(one.ref, said.event_id) is None
        assert people.forget(one.ref) == 0
        people.keep([one], [said])
        assert people.identity(one.ref) == one
        assert people.evidence(one.ref, said.event_id) == said

    def test_to_forget_does_not_take_back_an_erasure(self, people: People) -> None:
        one = identity()
        people.erase(one.ref)
        people.forget(one.ref)
        people.keep([one])
        assert people.identity(one.ref) is None

    def test_what_was_kept_just_now_was_not_kept_before(self, people: People) -> None:
        one = identity()
        people.keep([one])
        assert one.ref not in set(people.kept_before(time.time_ns() // 1_000_000 - 7_200_000))

    def test_to_see_to_removal_changes_nothing_that_is_kept(self, people: People) -> None:
        one, gone = identity(), identity()
        said = words(one.ref)
        people.keep([one, gone], [said])
        people.erase(gone.ref)
        for _day in range(2):
            people.see_to_removal()
        assert people.identities([one.ref, gone.ref]) == {one.ref: one}
        assert people.evidence(one.ref, said.event_id) == said

    # Who looked

    def test_who_looked_is_kept_in_order(self, people: People) -> None:
        mine, other = ref(), ref()
        before = len(list(people.looks()))
        people.looked_at(mine, f"agent:{other}", "reveal", 1_000)
        people.looked_at(other, "system:cli", "evidence", 3_000)
        people.looked_at(mine, "system:cli", "reveal", 2_000)
        assert list(people.looks())[before:] == [
            (1_000, mine, f"agent:{other}", "reveal"),
            (3_000, other, "system:cli", "evidence"),
            (2_000, mine, "system:cli", "reveal"),
        ]
        assert [at for at, _ref, _by, _what in people.looks(mine)] == [1_000, 2_000]
        assert list(people.looks(ref())) == []

    def test_an_erasure_does_not_remove_who_looked(self, people: People) -> None:
        one = identity()
        people.keep([one])
        people.looked_at(one.ref, "system:cli", "reveal", 1_000)
        people.erase(one.ref)
        assert len(list(people.looks(one.ref))) == 1

    # Many at once

    def test_threads_may_keep_read_and_erase_at_once(self, people: People) -> None:
        groups = [[identity(id_=f"+1416{number:07d}") for number in range(40)] for _thread in range(4)]
        shared = identity()
        errors: list[BaseException] = []

        def work(mine: list[Identity]) -> None:
            try:
                for one in mine:
                    people.keep([one, shared], [words(one.ref)])
                    assert people.identity(one.ref) == one
                for one in mine[::4]:
                    assert people.erase(one.ref) == 2
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=work, args=(mine,)) for mine in groups]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        left = {one.ref: one for mine in groups for index, one in enumerate(mine) if index % 4}
        assert people.identities(one.ref for mine in groups for one in mine) == left
        assert people.identity(shared.ref) == shared

    def test_closing_may_be_repeated(self, people: People) -> None:
        people.keep([identity()])
        people.close()
        people.close()
