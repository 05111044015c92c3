"""A ledger in memory, and lists written to files."""

from collections import Counter
from pathlib import Path

import pytest

from consumers.importing import load as loading
from consumers.importing import window as windows
from consumers.importing.load import Result, load
from consumers.importing.options import options
from ledger.adapters.memory_log import MemoryLog
from ledger.adapters.memory_people import MemoryPeople
from ledger.reference import References
from schemas.events import OPERATOR_INBOX, Event, FollowUpOpened
from tests.controls_import import SECRET, events, recorder


class Desk:
    """Imports lists into a ledger in memory, and says what is in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = MemoryLog()
        self.people = MemoryPeople()
        self.recorder = recorder(self.log, self.people)

    def file(self, content: str | bytes, name: str = "list.csv") -> Path:
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def load(self, content: str | bytes | Path, name: str = "list.csv", **said: object) -> Result:
        path = content if isinstance(content, Path) else self.file(content, name)
        return load(path, self.recorder, options(**said))  # type: ignore[arg-type]

    @property
    def events(self) -> list[Event]:
        return [event for event in events(self.log) if event.subject != OPERATOR_INBOX]

    @property
    def follow_ups(self) -> list[str]:
        return [event.reason for event in events(self.log) if isinstance(event, FollowUpOpened)]

    def types(self, id_: str, kind: str = "number") -> list[str]:
        """What was recorded of a subject, in order."""
        ref = References(SECRET).of(kind, id_)
        return [event.type for event in self.events if event.subject == ref]

    def said(self) -> Counter[str]:
        """All events but for what each run makes anew."""
        made = {"event_id", "received_at", "correlation_id", "occurred_at"}
        return Counter(event.model_dump_json(exclude=made) for event in self.events)


def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of 100 requests in windows of 300 rows."""
    for module in (loading, windows):
        monkeypatch.setattr(module, "BATCH", 100)
    monkeypatch.setattr(loading, "WINDOW", 300)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)
