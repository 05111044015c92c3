"""What a statement is about: brand × channel × purpose, each exact, a prefix by whole segments, or `*`."""

import re
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from schemas.errors import ScopeError, shown

EVERYTHING = "*"
SEGMENT = "[a-z0-9_-]{1,40}"
PATH = re.compile(rf"{SEGMENT}(\.{SEGMENT}){{0,7}}", re.ASCII)


def path(text: str) -> str:
    """A brand, channel or purpose as written in a message: lower-case segments joined by dots, never `*`.

    Raises ScopeError. The text is otherwise taken as it stands: a policy says which paths exist.
    """
    if not PATH.fullmatch(text):
        raise ScopeError(f"{shown(text)} is not a path; write lower-case segments such as marketing.offers")
    return text


def pattern(text: str) -> str:
    """A path, which covers itself and every path below it, or `*`, which covers all. Raises ScopeError."""
    return text if text == EVERYTHING else path(text)


Pattern = Annotated[str, Field(pattern=rf"^(\*|{SEGMENT}(\.{SEGMENT}){{0,7}})$")]


def covers(wide: str, narrow: str) -> bool:
    """Whether the pattern `wide` covers the path or pattern `narrow`: `marketing` covers `marketing.offers`."""
    return wide in (EVERYTHING, narrow) or narrow.startswith(wide + ".")


class Scope(BaseModel):
    """Brand × channel × purpose of a statement; each a path (itself and all below it) or `*`."""

    model_config = ConfigDict(frozen=True)

    brand: Pattern = EVERYTHING
    channel: Pattern = EVERYTHING
    purpose: Pattern = EVERYTHING

    def covers(self, brand: str, channel: str, purpose: str) -> bool:
        """Whether a message of this brand, channel and purpose falls under the scope."""
        return covers(self.brand, brand) and covers(self.channel, channel) and covers(self.purpose, purpose)
