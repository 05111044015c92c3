"""What the door must know of the past, answered from a view that is fresh as of the request."""

from collections.abc import Callable
from functools import cached_property
from typing import Literal

from projections.history import contact
from projections.membership import linked
from projections.reference_data import Reference
from projections.view import View
from schemas.events import OPERATOR_POLICY, OPERATOR_PROCEDURES
from schemas.policy import Policy


class PastOfView:
    """The `Past` port over views; `fresh` gives one as of now."""

    def __init__(self, fresh: Callable[[], View]) -> None:
        self._fresh = fresh
        self._reference: tuple[object, Reference] | None = None

    def policy(self, at: int) -> Policy:
        """The policy in force at a time."""
        return self._reference_data().policy(at)

    def procedure(self, label: str, at: int) -> Literal["current", "withdrawn", "unknown"]:
        """Whether NAME@VERSION was published and not withdrawn at a time."""
        return self._reference_data().procedure(label, at)

    def accounts_of(self, contact_ref: str, at: int) -> list[str]:
        """The accounts that a contact is linked to at a time, sorted."""
        found = contact(self._fresh().parts(contact_ref))
        return sorted(name for name, spells in found.accounts if linked(spells, at))

    def at_once(self) -> "PastOfView":
        """The same answers, all from one view."""
        view = self._fresh()
        return PastOfOneView(lambda: view, self._reference_data)

    def _reference_data(self) -> Reference:
        """Made anew only when something of it has changed."""
        view = self._fresh()
        parts = {subject: view.parts(subject) for subject in (OPERATOR_POLICY, OPERATOR_PROCEDURES)}
        version = [(part["part"], part["offset"]) for held in parts.values() for part in held]
        if self._reference is None or self._reference[0] != version:
            self._reference = (version, Reference(parts))
        return self._reference[1]


class PastOfOneView(PastOfView):
    """A past that stands still. `reference` is asked once, and only if a question needs it."""

    def __init__(self, view: Callable[[], View], reference: Callable[[], Reference]) -> None:
        super().__init__(view)
        self._reference_of = reference

    @cached_property
    def _known(self) -> Reference:
        return self._reference_of()

    def _reference_data(self) -> Reference:
        return self._known
