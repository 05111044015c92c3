"""Keeps the copy of a gateway: where it begins, what it must have passed before it claims anything, how it goes on.

In this order, and again from the start after every mishap:

1. the reference table is read to its end; a ledger of another secret ends the gateway here;
2. the process is registered in the ledger, and only then the ends are asked for that have to be passed;
3. the tables are read past these ends, from where the snapshot stands or from their beginnings;
4. the three tables are put together at one watermark (`joining.py`), and kept so: in a process of its own (`fed.py`).

Codes may pass from when 1 is done and the stop switch's partition has come to where the ledger was at 2: a switch that
was thrown before this process was known to anybody is in. All else may pass from when 4 is.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Protocol

from consumers.gateway.fed import Fed, Feeder, Followed
from consumers.gateway.following import POLL_S, Follower, must_still_be, read_past
from consumers.gateway.loading import Spill
from consumers.gateway.ports import Feed, Place, Ports, Record
from consumers.gateway.reading import Unreadable
from consumers.gateway.snapshots import Snapshots
from consumers.gateway.spilling import beside, half
from consumers.replica import OutrunError, Replica, SnapshotError
from ledger.errors import LedgerError, UnavailableError, WrongSecretError
from schemas.events import OPERATOR_TRAFFIC
from schemas.topics import Table, partition_of

RETRY_S = 0.5
OTHERS = "is of other topics; the copy is loaded from these"
BEHIND_S = 300.0
"""A copy that was not current for so long may have missed what compaction took: it passes the ends again."""


class RetiredError(LedgerError):
    """This process was retired: another one has to be started."""


class Owner(Protocol):
    """Whom a keeper tells what happens."""

    def copies(self, replica: Replica) -> None:
        """Decisions are made from this copy now, which claims nothing yet."""
        ...

    def knows_the_switch(self, known: bool) -> None:
        """Whether anything at all may be allowed."""
        ...

    def applied(self) -> None:
        """The copy has taken something new, and holds what its watermark says, until `parted` is called."""
        ...

    def parted(self) -> None:
        """The copy takes what comes as it comes: what its watermark says is not true, and nothing may be allowed."""
        ...

    def register(self, partitions: int) -> Mapping[int, int]:
        """Makes the process known in the ledger, once, and returns the ledger's ends after that."""
        ...

    def report(self, what: str) -> None:
        """Something went wrong that will be tried again."""
        ...

    def unreadable(self, place: Place, record: Record | None, what: Unreadable) -> None:
        """A record cannot be read."""
        ...


@dataclass
class Keeper:
    """Of one thread, but for its attributes, which anybody may read."""

    ports: Ports
    fingerprint: str
    process: str
    snapshots: Snapshots
    owner: Owner
    stopping: threading.Event
    replica: Replica = field(init=False)
    follower: Follower | Followed | None = None
    ledger_id: str | None = None
    _is_whole: bool = False
    """Whether the replica is to be gone on with."""
    _may_open: bool = True
    _topics: Mapping[Table, str] = field(default_factory=dict)
    """Those that the follower reads."""
    _passed_at: float = 0.0
    """When all ends were passed last, on the copy's clock."""

    def __post_init__(self) -> None:
        self._begin_anew()

    def _begin_anew(self) -> None:
        self.replica = Replica.of_parts([], {}, self.fingerprint)
        self._is_whole = False
        self.owner.knows_the_switch(False)
        self.owner.copies(self.replica)

    def run(self) -> None:
        """Until `stopping` is set. Raises what cannot be mended: WrongSecretError, NotALedgerError."""
        while not self.stopping.is_set():
            try:
                feed = self.ports.feed()
                with closing(feed), Feeder() as feeder:
                    begun = self._load(feed)
                    feed.close()  # from here on the feeder reads
                    self._follow(feeder, *begun)
            except (OutrunError, SnapshotError) as error:
                self.owner.report(f"{error}")
                self._may_open = False
                self.owner.parted()
                self._begin_anew()
            except UnavailableError as error:
                self.owner.report(f"{error}")
                self.stopping.wait(RETRY_S)

    # --- from the beginning to the first claim

    def _load(self, feed: Feed) -> tuple[Follower, Mapping[Place, int]]:
        self.owner.parted()
        self._open_snapshot()
        follower = self.follower = Follower(self.replica, feed.partitions, self.owner.unreadable)
        self._topics = feed.topics()
        reference = {place: at for place, at in feed.beginnings().items() if place.table == "reference"}
        feed.follow(reference)
        self._read_past(feed, follower, {place: at for place, at in feed.ends().items() if place in reference})
        self._must_be_of(follower)
        switch = partition_of(OPERATOR_TRAFFIC, feed.partitions)
        wanted = self.owner.register(feed.partitions).get(switch, 0)
        begun = {place: feed.position(place) for place in reference}
        places = self._catch_up(feed, follower, begun, lambda: follower.reference_mark(switch) >= wanted)
        positions = {place: feed.position(place) for place in places}
        must_still_be(self._topics, feed)
        follower.begin(self.replica, positions)
        self._is_whole = True
        self._passed_at = self.replica.clock()
        return follower, positions

    def _open_snapshot(self) -> None:
        """Opens it once; what is wrong with it is said, and the topics have it all."""
        if self._is_whole or not self._may_open:
            return
        self._may_open = False
        found = self.snapshots.open()
        if found is not None:
            self.replica, self._is_whole = found, True
            self.owner.copies(found)

    def _must_be_of(self, follower: Follower) -> None:
        """The ledger is of our secret, and the copy of this ledger and of these topics."""
        opened = follower.opened
        if opened is None:
            raise UnavailableError("the reference table does not say yet which ledger this is; is a worker running?")
        if opened["secret_fingerprint"] != self.fingerprint:
            raise WrongSecretError("the secret is not the one that this ledger was made with; nothing was answered")
        self.ledger_id = opened["ledger_id"]
        if self._is_whole and self.replica.notes.get("ledger_id", self.ledger_id) != self.ledger_id:
            raise SnapshotError(f"{self.snapshots.path} is of another ledger; the copy is loaded from the topics")
        if self._is_whole and self.replica.notes.get("topics") != self._topics:
            raise SnapshotError(f"{self.snapshots.path} {OTHERS}")

    def _catch_up(
        self, feed: Feed, follower: Follower, begun: dict[Place, int], is_known: Callable[[], bool]
    ) -> Iterable[Place]:
        """Past all the ends; returns of which places."""
        ends, beginnings = feed.ends(), feed.beginnings()
        kept = self._kept(follower, ends, beginnings) if self._is_whole else None
        positions = (kept or beginnings) | begun
        feed.follow(positions)
        if kept is None:
            self._from_topics(feed, follower, positions, ends, is_known)
        self._read_past(feed, follower, ends, is_known)
        while not is_known() and not self.stopping.is_set():
            follower.pass_by(feed.poll(POLL_S))
        self._tell_switch(follower, is_known)
        return ends

    def _kept(
        self, follower: Follower, ends: Mapping[Place, int], beginnings: Mapping[Place, int]
    ) -> dict[Place, int] | None:
        """From where the copy that there is goes on. Raises SnapshotError where its topics are not these."""
        noted = self.replica.notes.get("positions", {})
        kept = {place: int(noted.get(f"{place.table}/{place.partition}", -1)) for place in ends}
        if all(beginnings[place] <= at <= ends[place] for place, at in kept.items()):
            follower.begins_at({int(partition): at for partition, at in self.replica.notes["marks"].items()})
            return kept
        raise SnapshotError(f"{self.snapshots.path} {OTHERS}")

    def _from_topics(
        self, feed: Feed, follower: Follower, begun: Mapping[Place, int], ends: Mapping[Place, int],
        is_known: Callable[[], bool],
    ) -> None:  # fmt: skip
        with Spill(self.snapshots.path.parent) as spill:
            positions = self._spilled(feed, follower, begun, ends, is_known, spill)
            feed.follow({place: at for place, at in positions.items() if place.table == "reference"})
            with spill.building(self.fingerprint) as is_built:
                while not is_built() and not self.stopping.is_set():
                    follower.pass_by(feed.poll(POLL_S))
                    self._tell_switch(follower, is_known)
            if self.stopping.is_set():
                return
            positions |= {place: feed.position(place) for place in ends if place.table == "reference"}
            built = spill.built(self.fingerprint)
            for subject, reason in spill.unreadable():
                self.owner.unreadable(Place("by-number", 0), None, Unreadable(subject, reason, None))
        built.apply(self.replica.operator_parts(), self.replica.watermark())
        self.replica = follower.replica = built
        self.owner.copies(built)
        feed.follow(positions)

    def _spilled(
        self, feed: Feed, follower: Follower, begun: Mapping[Place, int], ends: Mapping[Place, int],
        is_known: Callable[[], bool], spill: Spill,
    ) -> dict[Place, int]:  # fmt: skip
        """All states, past the ends, in files: half of many are read by another process. Returns up to where."""
        given = half(begun, ends, feed.partitions, spill.folder)
        if given is None:
            self._read_past(feed, follower, ends, is_known, spill)
            return {place: feed.position(place) for place in ends}
        own = {place: at for place, at in begun.items() if place not in given.positions}
        feed.follow(own)
        with beside(self.ports.feed, given) as other:
            self._read_past(feed, follower, {place: ends[place] for place in own}, is_known, spill)
            while not other.done() and not self.stopping.is_set():
                follower.pass_by(feed.poll(POLL_S), spill)
                self._tell_switch(follower, is_known)
            if self.stopping.is_set():
                return dict(begun)
            passed = other.result()
        for unread in passed.unread:
            self.owner.unreadable(*unread)
        follower.adopt(passed.joins, passed.recorded_at)
        return {place: feed.position(place) for place in own} | dict(passed.positions)

    def _read_past(
        self, feed: Feed, follower: Follower, ends: Mapping[Place, int],
        is_known: Callable[[], bool] = lambda: False, spill: Spill | None = None,
    ) -> None:  # fmt: skip
        for batches in read_past(feed, ends, lambda: not self.stopping.is_set()):
            follower.pass_by(batches, spill)
            self._tell_switch(follower, is_known)

    def _tell_switch(self, follower: Follower, is_known: Callable[[], bool]) -> None:
        self.owner.knows_the_switch(is_known() and not follower.blind)

    # --- from then on

    def _follow(self, feeder: Feeder, follower: Follower, positions: Mapping[Place, int]) -> None:
        followed = self.follower = Followed(self.replica, follower.progress())
        if followed.is_whole:
            self.owner.applied()
        try:
            feeder.begin(self.ports.feed, follower, positions, self._topics)
            while not self.stopping.is_set():
                fed = feeder.next(POLL_S)
                if fed is not None:
                    self._take(followed, fed)
        finally:
            if followed.is_whole:
                self.replica.notes = self.notes()

    def _take(self, followed: Followed, fed: Fed) -> None:
        sure = max(self._passed_at, self.replica.current_as_of or self._passed_at)
        if self.replica.clock() - sure > BEHIND_S:
            raise UnavailableError("the copy was not current for too long: it passes the ends of the tables again")
        followed.take(fed)
        for unread in fed.unread:
            self.owner.unreadable(*unread)
        if fed.is_new and followed.is_whole:
            self.owner.applied()
        self.owner.knows_the_switch(not followed.blind)
        self._must_be_wanted(followed)

    def _must_be_wanted(self, followed: Followed) -> None:
        """Nobody waits any more for a process that was retired: it must not answer."""
        if self.process in followed.retired:
            raise RetiredError(
                f"the process {self.process} was retired (gateway retire, or a move): it answers no more"
            )

    def notes(self) -> dict[str, Any]:
        """What a snapshot says besides the states; to be taken before it, so that it never says too much."""
        # In this order, for it is not the keeper's thread: a follower is there before the topics that it is to read.
        topics, reached = self._topics, dict(self.follower.reached) if self.follower else {}
        return {
            "ledger_id": self.ledger_id,
            "topics": topics,
            "saved_at": time.time_ns() // 1_000_000,
            "marks": {str(partition): each.offset for partition, each in reached.items()},
            "positions": {
                f"{table}/{partition}": end for partition, each in reached.items() for table, end in each.ends.items()
            },
        }
