"""Many rows in one statement, and references in half their length.

`sqlite3` lets go of the interpreter's lock at every step of every statement, and beside a thread that computes, each
return costs up to 5 ms: row by row, 256 events then take a second and a half, in these statements 50 ms.
"""

from binascii import unhexlify
from collections.abc import Iterator
from functools import cache
from typing import Any

SIZES = (1024, 256, 64, 16, 4, 1)  # few, so that every statement stays prepared

Packed = bytes | str


def packed(text: str) -> Packed:
    """A reference as its 16 bytes; any other text, such as an operator's subject, as it is."""
    if len(text) == 32:
        try:
            raw = unhexlify(text)
        except ValueError:
            return text
        if raw.hex() == text:  # in capitals it is another text
            return raw
    return text


def unpacked(value: Packed) -> str:
    """What `packed` was given."""
    return value.hex() if isinstance(value, bytes) else value


def statements(template: str, width: int, values: list[Any]) -> Iterator[tuple[str, list[Any]]]:
    """The statements for rows of `width` values, given one after the other, and the values of each."""
    start = 0
    for size in SIZES:
        while len(values) - start >= size * width:
            yield _statement(template, width, size), values[start : start + size * width]
            start += size * width


@cache
def _statement(template: str, width: int, size: int) -> str:
    row = f"({', '.join('?' * width)})"
    return template.format(rows=", ".join([row] * size))
