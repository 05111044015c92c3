"""What each process of a gateway told lately, and what follows from that of an event without adding it all up.

Nearly every event meets processes that tell once a second and pass it with their next receipt. Of such a one it is
certain what a tally (`confirmation.py`) would come to; any other is left to the tally.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping
from operator import attrgetter
from typing import Final

from consumers.confirmation import AtGateway, Enforcement, Target, Told

MANY: Final = 1_000
"""So many receipts of a process are kept before those that nobody needs are let go."""
told_at: Final[Callable[[Told], int]] = attrgetter("at")


class RecentReceipts:
    """Receipts in the order in which they were told, by process."""

    def __init__(self, retired: Mapping[str, int]) -> None:
        """`retired`: when each process that was retired was, in milliseconds."""
        self._retired = retired
        self._told: dict[str, list[Told]] = {}

    def take(self, told: Told) -> None:
        """The next receipt."""
        self._told.setdefault(told.receipt.process, []).append(told)

    def forget(self, before: int) -> None:
        """Lets go of what was told before a moment, where it has become much."""
        for process, kept in list(self._told.items()):
            if len(kept) > MANY or kept[-1].at < before:
                del kept[: bisect_left(kept, before, key=told_at)]
            if not kept:
                del self._told[process]

    def since(self, start: int) -> list[Told]:
        """All that was told from a moment on, process by process."""
        return [told for kept in self._told.values() for told in kept[bisect_left(kept, start, key=told_at) :]]

    def last(self, start: int) -> Iterator[Told]:
        """The last receipt of every process that told one from a moment on."""
        return (kept[-1] for kept in self._told.values() if kept[-1].at >= start)

    def certain(self, target: Target, start: int) -> Enforcement | None:
        """When a target came into force, by what was told since `start`; None if that is not certain.

        The caller knows that no process was registered from `start` until the target was recorded.
        """
        gateways, latest = [], target.recorded_at
        for process, kept in sorted(self._told.items()):
            if kept[-1].at >= start:
                told = kept[bisect_left(kept, start, key=told_at) :]
                has = self._passing(process, told, target)
                if has is None:
                    return None
                at = max(has.at, target.recorded_at)
                gateways.append(AtGateway(has.receipt.gateway, process, "enforced", at))
                latest = max(latest, at)
        return Enforcement(True, latest, tuple(gateways))

    def _passing(self, process: str, told: list[Told], target: Target) -> Told | None:
        """The receipt with which a process has it: certain if it was running, and its lease had not run out since."""
        passing = bisect_left(told, True, key=lambda one: target.is_passed_by(one.receipt))
        running = bisect_right(told, target.recorded_at, hi=passing, key=told_at) - 1
        if passing == len(told) or running < 0:
            return None
        held, has = told[running], told[passing]
        is_over = has.at > min(held.at + held.receipt.lease_ms, self._retired.get(process, has.at))
        if is_over or any(one.receipt.state == "ended" for one in told[: passing + 1]):
            return None
        return has
