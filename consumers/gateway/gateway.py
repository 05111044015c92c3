"""A gateway: answers from a copy of its own that it keeps current (`running.py`), and says no where it is not.

`Gateway` is the library; `prefledger gateway run` is a process around it (`http.py`).
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from consumers.gate import Decision, Gate, understood
from consumers.gateway.answers import Shadowed, blind
from consumers.gateway.journal import Journal
from consumers.gateway.ports import Ports
from consumers.gateway.running import SAVE_S, Running, State
from consumers.gateway.snapshots import Snapshots
from consumers.scrub import Result, Wanted, scrub_file
from ledger.errors import UnavailableError
from ledger.reference import References
from ledger.stamp import new_id
from schemas.subject import Subject

__all__ = ["Gateway"]


class Gateway:
    """One process of a gateway. Safe to use from several threads.

    `with Gateway(…) as gateway:` starts and stops it; it answers at once, and says no until it knows better.
    """

    def __init__(
        self, name: str, ports: Ports, references: References, snapshot: Path, *, shadow: bool = False,
        brand: str | None = None, region: str | None = None, clock: Callable[[], float] = time.monotonic,
        save_every_s: float = SAVE_S,
    ) -> None:  # fmt: skip
        """`snapshot` is this gateway's own file. Raises InputError where another process uses it.

        `brand` and `region` (ISO 3166) where a question gives none. `shadow`: everything is answered as allowed, and
        what would have been said is logged, and said beside it. `clock`: monotonic, in seconds.
        """
        self.name, self.process, self.shadow = name, new_id(), shadow
        self.counts: Counter[str] = Counter()
        """Decisions by reason."""
        self._brand, self._region, self._references = brand, region, references
        snapshots = Snapshots(snapshot, references.fingerprint, self.process)
        self.running = Running(name, self.process, ports, references, snapshots, self._gate, clock, save_every_s)
        self.journal: Journal | None = None
        """Where decisions are logged; None where they are not."""
        if ports.decisions:
            left_over = snapshot.with_name(f"{snapshot.name}.decisions")
            self.journal = Journal(
                ports.decisions, references, name, self.process, shadow, self.running.report, left_over
            )

    def _gate(self, copy: object) -> Gate:
        return Gate(copy, self._references, self._brand, self._region)  # type: ignore[arg-type]

    # --- its life

    def start(self) -> "Gateway":
        """Begins to load the copy; returns at once."""
        self.running.start()
        if self.journal:
            self.journal.start()
        return self

    def stop(self) -> None:
        """Answers nothing but no from now on, writes what is to be written, and says that it ends. Repeatable."""
        self.running.stop()
        if self.journal:
            self.journal.stop()

    def __enter__(self) -> "Gateway":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def state(self) -> State:
        """`current` while it may allow what needs consent."""
        return self.running.state

    def wait_until_current(self, seconds: float) -> None:
        """Raises UnavailableError where it is not within that time, and what has ended it meanwhile."""
        end = time.monotonic() + seconds
        while self.state != "current":
            if self.running.failed:
                raise self.running.failed
            if time.monotonic() > end:
                raise UnavailableError(f"the gateway {self.name} is {self.state} after {seconds:g} s")
            time.sleep(0.02)

    # --- what it is asked

    def decide(
        self, contact: str | Subject, *, channel: str, purpose: str, brand: str | None = None,
        sender: str | None = None, at: int | None = None, jurisdiction: str | None = None,
        rechecks: str | None = None, log: bool = True,
    ) -> Decision:  # fmt: skip
        """As `Gate.decide`; while it does not know the stop switch, no to everything (`stale`).

        `rechecks`: the id of an earlier decision on the same message, which did not go out by it. `log`: False where
        nothing is sent on the answer: it is not put on record, for what is on record counts as sent.
        """
        if at is None:
            at = self.running.now()
        if self.running.knows_switch:
            decision = self.running.gate.decide(
                contact, channel=channel, purpose=purpose, brand=brand, sender=sender, at=at, jurisdiction=jurisdiction
            )
        else:
            decision = self._blind(contact, channel, purpose, brand, sender, at, jurisdiction)
        self.counts[decision.verdict.reason] += 1
        if self.shadow:
            decision = Shadowed.of(decision)
        if self.journal and log:
            self.journal.put(decision, rechecks)
        return decision

    def _blind(
        self, contact: str | Subject, channel: str, purpose: str, brand: str | None, sender: str | None,
        at: int, jurisdiction: str | None,
    ) -> Decision:  # fmt: skip
        whom = understood(contact, self._region)
        return blind(whom, channel, purpose, brand or self._brand, sender, at, jurisdiction)

    def decide_many(
        self, contacts: Iterable[str | Subject], *, channel: str, purpose: str, brand: str | None = None,
        sender: str | None = None, at: int | None = None, jurisdiction: str | None = None,
    ) -> list[Decision]:  # fmt: skip
        """The same question for each of many contacts."""
        said = {
            "channel": channel, "purpose": purpose, "brand": brand, "sender": sender, "at": at,
            "jurisdiction": jurisdiction,
        }  # fmt: skip
        return [self.decide(contact, **said) for contact in contacts]  # type: ignore[arg-type]

    def recheck(self, decision: Decision) -> Decision:
        """Asks again, now, about the message of a decision: before it is sent, if it had to wait."""
        return self.decide(
            decision.subject, channel=decision.channel, purpose=decision.purpose, brand=decision.brand or None,
            sender=decision.sender, jurisdiction=decision.jurisdiction, rechecks=decision.decision_id,
        )  # fmt: skip

    def scrub(
        self, source: Path, allowed: Path, denied: Path | None, *, channel: str, purpose: str,
        brand: str | None = None, sender: str | None = None, at: int | None = None, region: str | None = None,
        column: str = "number",
    ) -> Result:  # fmt: skip
        """As `scrub_file`, from this gateway's copy, with its brand, region and time where none is given, as `decide`
        has them. In shadow mode too the rows in `denied` are those that would have been: it holds back no message.
        Raises UnavailableError while it is not current.
        """
        if self.state != "current" or not self.running.knows_switch:
            raise UnavailableError(
                f"the gateway {self.name} is {self.state}: nothing was written; repeat once it is not"
            )
        wanted = Wanted(
            channel=channel, purpose=purpose, at=self.running.now() if at is None else at,
            brand=self._brand if brand is None else brand, sender=sender,
            region=self._region if region is None else region, column=column,
        )  # fmt: skip
        return scrub_file(source, allowed, denied, self.running.replica, self._references, wanted)
