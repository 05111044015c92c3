"""A record that cannot be read may hold an opt-out: its subject is held, and nobody else is."""

from dataclasses import dataclass
from pathlib import Path
from random import Random

import orjson
import pytest

from consumers.gate import Gate
from consumers.gateway.following import Follower
from consumers.gateway.loading import Pieces, Spill
from consumers.gateway.ports import Place, Record
from consumers.gateway.reading import NO_EVENT, Unreadable, read
from consumers.replica import Replica
from projections.fold import unpacked
from schemas.distributed import Watermark
from schemas.events import OPERATOR_POLICY, OPERATOR_TRAFFIC
from schemas.scope import Scope
from schemas.topics import TABLE_OF, TABLES, Table, watermark_key
from tests.consumers.asking import NOW, NUMBER, OTHER, POLICY, REFERENCES, told

BY_NUMBER, BY_ACCOUNT, REFERENCE = (Place(table, 0) for table in TABLES)
REF = REFERENCES.of("number", NUMBER)


@dataclass
class Written:
    """A record as a broker gives it."""

    key: bytes | None
    value: bytes | None
    offset: int = 0


def unread(place: Place, key: str, value: bytes | None) -> Unreadable:
    said = read(place, Written(key.encode(), value))
    assert isinstance(said, Unreadable)
    return said


GOOD = {"kind": "number", "subject": REF, "part": 0, "parts": 1, "partition": 0, "offset": 3, "entries": []}


NONES = [
    None, b"", b"{", b"[]", b"null", b"\xff" * 40, b"x" * (2 << 20), orjson.dumps({}),
    *(orjson.dumps(GOOD | wrong) for wrong in (
        {"subject": "0" * 32}, {"part": 1}, {"kind": "account"}, {"kind": "nonsense"},
        {"parts": 2, "entries": [{"type": "ContactLinked"}]},
    )),
]  # fmt: skip


@pytest.mark.parametrize("value", NONES)
def test_a_state_that_is_none_holds_its_subject(value: bytes | None) -> None:
    said = unread(BY_NUMBER, REF, value)
    assert said.instead is not None
    assert (said.instead["kind"], said.instead["subject"]) == ("number", REF)
    assert unread(BY_ACCOUNT, REF, b"?").instead["kind"] == "account"  # type: ignore[index]


def test_a_key_that_is_no_reference_is_nobodys_and_takes_nothing() -> None:
    assert unread(BY_NUMBER, "0" * 31, b"?").instead is None
    assert unread(BY_NUMBER, "", b"?").instead is None


def test_reserved_keys_are_no_subjects() -> None:
    assert read(BY_NUMBER, Written(b"~something-new/0", b"?")) is None
    assert unread(BY_NUMBER, watermark_key(1), b"{}").instead is None
    assert unread(BY_NUMBER, watermark_key(0), b"{}").instead is None
    mark = {"partition": 0, "offset": 4, "recorded_at": 5, "later": "unknown"}
    assert read(BY_NUMBER, Written(watermark_key(0).encode(), orjson.dumps(mark))) == Watermark(
        partition=0, offset=4, recorded_at=5
    )


# --- and what a gateway does with it


class Following:
    """A follower of tables that are given to it, and the gate upon its copy."""

    def __init__(self) -> None:
        self.reported: list[str] = []
        replica = Replica.of_parts([], {}, REFERENCES.fingerprint)
        self.follower = Follower(replica, 1, lambda _place, _record, what: self.reported.append(what.subject))

    def take(self, *records: tuple[Table, str, bytes | None]) -> None:
        written: list[tuple[Place, list[Record]]] = [
            (Place(table, 0), [Written(key.encode(), value)]) for table, key, value in records
        ]
        mark = orjson.dumps({"partition": 0, "offset": 1, "recorded_at": 1})
        written.append((REFERENCE, [Written(watermark_key(0).encode(), mark)]))
        self.follower.pass_by(written)

    def reason(self, contact: str, purpose: str = "service") -> str:
        self.follower.replica.is_current()
        return Gate(self.follower.replica, REFERENCES).decide(contact, channel="sms", purpose=purpose, at=NOW).reason


def states() -> list[tuple[Table, str, bytes]]:
    """Two numbers in one account, of which nobody has said no, and the policy."""
    view = told(
        [("ContactLinked", "number", number, {"account": "A", "reason": "added"}) for number in (NUMBER, OTHER)]
        + [("PreferenceGranted", "account", "A", {})]
    ).view()
    tables: dict[str, Table] = {"number": "by-number", "account": "by-account", "operator": "reference"}
    return [(tables[unpacked(value)["kind"]], key, value) for key, value in view.all_parts()]


def test_only_the_subject_whose_state_cannot_be_read_is_denied_and_only_what_needs_consent() -> None:
    following = Following()
    following.take(*states())
    assert following.reason(NUMBER) == "granted"
    following.take(("by-number", REF, b"\x00"))
    assert following.reported == [REF]
    assert (following.reason(NUMBER), following.reason(OTHER)) == ("held_for_review", "granted")
    assert following.reason(NUMBER, "service.codes") == "never_needs_consent"
    following.take(*states())  # a worker writes it again
    assert following.reason(NUMBER) == "granted"


def test_of_an_account_whose_state_cannot_be_read_every_contact_is_denied() -> None:
    following = Following()
    following.take(*states(), ("by-account", REFERENCES.of("account", "A"), b"{}"))
    assert (following.reason(NUMBER), following.reason(OTHER)) == ("held_for_review", "held_for_review")
    assert following.reason("+14165559999") == "permitted_by_policy"


def test_entries_of_which_no_history_can_be_made_are_found_before_anybody_asks() -> None:
    following = Following()
    strange = orjson.dumps(GOOD | {"entries": [{"type": "PreferenceRevoked", "event_id": NO_EVENT, "offset": 1}]})
    following.take(*states(), ("by-number", REF, strange))
    assert following.reported == [REF]
    assert (following.reason(NUMBER), following.reason(OTHER)) == ("held_for_review", "granted")


@pytest.mark.parametrize("subject", [OPERATOR_POLICY, OPERATOR_TRAFFIC])
def test_where_policy_or_stop_switch_cannot_be_read_nothing_may_be_allowed_until_they_can(subject: str) -> None:
    following = Following()
    following.take(*states())
    broken = {"kind": "operator", "subject": subject, "part": 0, "parts": 1, "partition": 0, "offset": 9}
    for value in (b"?", orjson.dumps(broken | {"entries": [{"type": "PolicyPublished"}, {"type": "TrafficHalted"}]})):
        following.take(("reference", subject, value))
        assert following.follower.blind == {subject}
    following.take(("reference", subject, orjson.dumps(broken | {"entries": []})))
    assert following.follower.blind == set()


def test_other_things_of_the_operators_may_be_unreadable() -> None:
    following = Following()
    following.take(*states(), ("reference", "operator:inbox", b"?"))
    assert following.follower.blind == set()
    assert following.reason(NUMBER) == "granted"


def copy_of(spill: Spill) -> Replica:
    """The copy that is made of what was spilled."""
    with spill.building(REFERENCES.fingerprint) as is_built:
        while not is_built():
            pass
    return spill.built(REFERENCES.fingerprint)


def test_a_copy_built_from_the_topics_holds_what_cannot_be_read_in_them(tmp_path: Path) -> None:
    account = REFERENCES.of("account", "A")
    with Spill(tmp_path) as spill:
        for table, key, value in states():
            if table != "reference":
                spill.add(table, key.encode(), b"old")
                spill.add(table, key.encode(), value)
        spill.add("by-number", REF.encode(), b"\x00 \n")
        spill.add("by-number", b"nonsense", b"?")
        replica = copy_of(spill)
        assert sorted(subject for subject, _ in spill.unreadable()) == sorted([REF, "nonsense"])
    assert not list(tmp_path.iterdir())
    assert replica.contact(bytes.fromhex(REF)).holds
    assert not replica.contact(REFERENCES.digest("number", OTHER)).holds
    assert replica.account_payload(bytes.fromhex(account)) is not None
    assert POLICY.name


def test_whatever_is_no_state_holds_its_subject_in_a_copy_built_from_the_topics_as_well(tmp_path: Path) -> None:
    numbers = [f"+1416555{place:04d}" for place in range(len(NONES))]
    refs = [REFERENCES.of("number", number) for number in numbers]
    follower = Follower(Replica.of_parts([], {}, REFERENCES.fingerprint), 1, lambda *_: None)
    with Spill(tmp_path) as spill:
        for ref, value in zip(refs, NONES, strict=True):
            own = value and value.replace(REF.encode(), ref.encode())
            follower.pass_by([(BY_NUMBER, [Written(ref.encode(), own)])], spill)
        built = copy_of(spill)
    held = [built.contact(bytes.fromhex(ref)).holds for ref in refs]
    assert [value for value, holds in zip(NONES, held, strict=True) if not holds] == []


def test_whatever_key_somebody_wrote_into_a_table_a_copy_is_built_from_the_topics(tmp_path: Path) -> None:
    begun, missing = (REFERENCES.of("number", number) for number in (NUMBER, "+14165550177"))
    nobodys = [b"\xff\xfe", b"", b"f" * 300, b"/", b"#", b"ab#\xff", b"a" * 70_000]
    spoiled = [f"{begun}#zz".encode(), f"{missing}#1".encode()]
    follower = Follower(Replica.of_parts([], {}, REFERENCES.fingerprint), 1, lambda *_: None)
    with Spill(tmp_path) as spill:
        every = [Written(key.encode(), value) for table, key, value in states() if table == "by-number"]
        for record in every + [Written(key, b"?") for key in nobodys + spoiled]:
            follower.pass_by([(BY_NUMBER, [record])], spill)
        built = copy_of(spill)
        assert {subject for subject, _ in spill.unreadable()} >= {begun, missing, "/", "f" * 300, "a" * 70_000}
    held = {key for key, contact in built.items() if contact.holds}
    assert held == {begun, missing}
    assert len(dict(built.items())) == len({record.key for record in every} | {missing.encode()})


def test_a_copy_built_in_shares_is_the_one_that_would_have_been_built_at_once(tmp_path: Path) -> None:
    rng = Random(5)
    scopes = [
        Scope(brand="acme", channel=channel, purpose=purpose)
        for channel in ("sms", "voice", "*")
        for purpose in ("*", "marketing")
    ]
    said = [
        (
            rng.choice(("PreferenceRevoked", "PreferenceGranted")),
            "number",
            f"+1416555{number:04d}",
            {"scope": rng.choice(scopes)},
        )
        for number in range(400)
    ]
    said += [
        ("ContactLinked", "number", f"+1416555{number:04d}", {"account": str(number % 7), "reason": "added"})
        for number in range(0, 400, 3)
    ]
    view = told(said).view()
    expected = Replica.of_parts(view.all_parts(), {}, REFERENCES.fingerprint)
    with Spill(tmp_path) as spill:
        stored = [(key, value) for key, value in view.all_parts() if not key.startswith("operator:")]
        rng.shuffle(stored)
        of_another_process = Pieces(spill.folder, ".other")
        for key, value in stored:
            table = TABLE_OF[unpacked(value)["kind"]]
            (spill if key[-1] < "8" else of_another_process).add(table, key.encode(), value)
        of_another_process.write()
        built = copy_of(spill)
        assert spill.unreadable() == []
    assert len(expected.base.shapes) > 6
    assert sorted(built.items()) == sorted(expected.items())
    for _, _, number, _ in said:
        assert built.contact(REFERENCES.digest("number", number)) == expected.contact(
            REFERENCES.digest("number", number)
        )
