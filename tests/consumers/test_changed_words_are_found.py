"""Evidence is held against its commitment whenever it is shown, and who looked at it is on record."""

import sqlite3
from collections.abc import Callable

import pytest

from ledger.adapters.sealing import Sealing
from ledger.people import Words
from ledger.reference import References
from tests.consumers.commands import Commands

NUMBER = "+14165550123"
SAID = "Please stop. Jean"
Change = Callable[[Words], Words]


def tamper(commands: Commands, event_id: str, change: Change | None) -> None:
    """As somebody does who has the store and the secret: seals others in their place, or removes them."""
    references = References(bytes.fromhex((commands.home / "secret").read_text()))
    sealing, ref = Sealing(references.derived_key("people")), references.of("number", NUMBER)
    with sqlite3.connect(commands.home / "people.db") as db:
        where = (bytes.fromhex(ref), event_id)
        [(slot, sealed)] = db.execute(
            "SELECT slot, sealed FROM evidence JOIN vault USING (slot) WHERE ref = ? AND event_id = ?", where
        ).fetchall()
        if change is None:
            db.execute("DELETE FROM evidence WHERE ref = ? AND event_id = ?", where)
        else:
            words = change(sealing.opened_words(ref, event_id, sealed))
            db.execute("UPDATE vault SET sealed = ? WHERE slot = ?", (sealing.words(words), slot))
    db.close()


def test_words_that_nobody_touched_are_shown_as_genuine(commands: Commands) -> None:
    for text in (SAID, "ARRÊT 🛑 " * 40):
        commands.json("revoke", NUMBER, "--evidence", text)
    shown = commands.json("reveal", NUMBER)["evidence"]
    assert [(one["text"], one["standing"]) for one in shown] == [(SAID, "genuine"), ("ARRÊT 🛑 " * 40, "genuine")]


@pytest.mark.parametrize(
    ("change", "standing"),
    [
        (lambda words: words._replace(text=words.text.replace("stop", "go on")), "changed"),
        (lambda words: words._replace(text=words.text + " "), "changed"),
        (lambda words: words._replace(salt=bytes(16)), "changed"),
        (lambda words: words._replace(salt=words.salt + words.text[:1].encode(), text=words.text[1:]), "changed"),
        (None, "missing"),
    ],
    ids=["a word", "a space", "the salt", "a letter that moved into the salt", "all of it"],
)
def test_what_was_changed_by_somebody_who_has_the_key_is_found(
    commands: Commands, change: Change | None, standing: str
) -> None:
    first = commands.json("revoke", NUMBER, "--evidence", SAID)["event_id"]
    commands.json("revoke", NUMBER, "--evidence", "and no calls either")
    tamper(commands, first, change)
    shown = commands.json("reveal", NUMBER, code=1)["evidence"]
    assert [one["standing"] for one in shown] == [standing, "genuine"]
    answer = commands("reveal", NUMBER)
    assert answer.code == 1
    assert first in answer.err
    assert standing.upper() in answer.out


def test_words_that_an_erasure_removed_are_not_missing(commands: Commands) -> None:
    commands.json("revoke", NUMBER, "--evidence", SAID)
    commands.json("erase", NUMBER, "--yes")
    answer = commands("reveal", NUMBER, "--json")
    assert [one["standing"] for one in answer.document["evidence"]] == ["erased"]
    assert "find out why" not in answer.err


def test_who_looked_is_recorded_by_reference_before_anything_is_shown_and_can_be_listed(commands: Commands) -> None:
    ref = commands.json("ref", NUMBER)["ref"]
    commands.json("revoke", NUMBER)
    commands.json("reveal", NUMBER, "--actor", "agent:nosy")
    commands.json("reveal", ref, "--actor", f"person:{NUMBER}")
    commands("reveal", "+14165550999", "--actor", "regulator:crtc")
    assert commands("reveal", NUMBER, "--actor", "nobody in particular").code == 2
    looks = commands.lines("looks", NUMBER)
    assert [(one["by"], one["what"], one["subject"]) for one in looks] == [
        ("agent:nosy", "identity and evidence", "+1416•••0123"),
        ("person:+1416•••0123", "identity and evidence", "+1416•••0123"),
    ]
    assert [one["by"] for one in commands.lines("looks")] == ["agent:nosy", "person:+1416•••0123", "regulator:crtc"]
    stored = sqlite3.connect(commands.home / "people.db").execute("SELECT by FROM looks").fetchall()
    assert not any(text in str(stored) for text in ("nosy", "4165550123")), "the store names nobody in the clear"
    commands.json("erase", NUMBER, "--yes")
    assert len(commands.lines("looks", NUMBER)) == 2, "an erasure removes who they were, not that somebody looked"
    assert "agent:nosy" in commands("looks").out


def test_what_could_not_be_understood_is_read_in_the_inbox(commands: Commands) -> None:
    assert commands("revoke", "gibberish", "--actor", "person", "--evidence", "stop it").code == 2
    shown = commands.json("reveal", "operator:inbox")
    assert [one["standing"] for one in shown["evidence"]] == ["genuine"]
    assert "gibberish" in shown["evidence"][0]["text"]
    assert [one["what"] for one in commands.lines("looks", "operator:inbox")] == ["identity and evidence"]
