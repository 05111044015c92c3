"""The port through which the door asks what it must know of the past; `projections/past.py` implements it.

The answers have to be fresh as of the request. Where that is not to be had, the methods raise UnavailableError:
an opt-out is then recorded as it was given, flagged `past_unknown`, with a follow-up; a grant is refused.
"""

from typing import Literal, Protocol

from ledger.errors import UnavailableError
from schemas.policy import Policy

Standing = Literal["current", "withdrawn", "unknown"]


class Past(Protocol):
    """What `record` asks. Times in milliseconds."""

    def policy(self, at: int) -> Policy:
        """The policy in force at a time."""
        ...

    def procedure(self, label: str, at: int) -> Standing:
        """Whether NAME@VERSION was published and not withdrawn at a time."""
        ...

    def accounts_of(self, contact: str, at: int) -> list[str]:
        """References of the accounts that a contact (by reference) is linked to at a time, sorted."""
        ...

    def at_once(self) -> "Past":
        """The same answers, all as of this moment: for many questions at a time. Raises UnavailableError."""
        ...


class PastAway:
    """A past that is not to be had: says so at every question, without trying again at each."""

    def __init__(self, error: UnavailableError) -> None:
        self._error = error

    def policy(self, at: int) -> Policy:
        """See the port."""
        raise self._error

    def procedure(self, label: str, at: int) -> Standing:
        """See the port."""
        raise self._error

    def accounts_of(self, contact: str, at: int) -> list[str]:
        """See the port."""
        raise self._error

    def at_once(self) -> "PastAway":
        """See the port."""
        return self
