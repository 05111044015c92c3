"""Which entries of a state stand: no repetitions of one that stands, nothing that was corrected. Pure.

Corrections obey the order of the log only: one recorded later than an entry takes it out, for every time that is
asked about; correcting a correction brings the entry back (`docs/decision-table.md`, rule 8).
"""

from collections.abc import Iterable, Sequence

from projections.statement import Fields

CORRECTABLE = {
    "PreferenceGranted", "PreferenceRevoked", "StatementCorrected", "ContactLinked", "ContactUnlinked",
    "NumberReassigned",
}  # fmt: skip


def standing(entries: Sequence[Fields]) -> Sequence[Fields]:
    """The entries that stand, in the order of the log, corrections themselves left out."""
    keys = {entry["idempotency_key"] for entry in entries}
    if len(keys) == len(entries) and not any(entry["type"] == "StatementCorrected" for entry in entries):
        return entries  # nearly all states: nothing was repeated, nothing corrected
    kept = _without_repetitions(entries)
    wrong = corrected(kept)
    return [entry for entry in kept if not _taken_out(entry, wrong) and entry["type"] != "StatementCorrected"]


def _taken_out(entry: Fields, wrong: set[str]) -> bool:
    return entry["type"] in CORRECTABLE and entry["event_id"] in wrong


def _without_repetitions(entries: Iterable[Fields]) -> list[Fields]:
    """An entry with the key and content of one that stands, at that moment of the log, is the same event again.

    So is one of the same id, even where the first was corrected: a late copy of an event reinstates nothing.
    """
    kept: list[Fields] = []
    seen: dict[tuple[str, str], list[str]] = {}
    for entry in entries:
        earlier = seen.setdefault((entry["idempotency_key"], entry["content"]), [])
        if earlier and _repeats(entry, earlier, kept):
            continue
        earlier.append(entry["event_id"])
        kept.append(entry)
    return kept


def _repeats(entry: Fields, earlier: list[str], kept: list[Fields]) -> bool:
    if entry["type"] not in CORRECTABLE or entry["event_id"] in earlier:
        return True
    return not corrected(kept).issuperset(earlier)


def corrected(entries: Iterable[Fields]) -> set[str]:
    """The ids of events that a correction which itself stands has taken out."""
    corrections = [entry for entry in entries if entry["type"] == "StatementCorrected"]
    wrong: set[str] = set()
    for correction in reversed(corrections):  # what corrects a correction comes after it in the log
        if correction["event_id"] not in wrong:
            wrong.add(correction["corrects"])
    return wrong
