"""The topics of a distributed ledger: their names, what each is for, and where a key is in them.

Names, keys and values are a public contract (`docs/topics.md`). Consumers read committed records only.
"""

from typing import Final, Literal, NamedTuple

from schemas.subject import SubjectKind

MASK = 0xFFFF_FFFF
WATERMARK: Final = "~watermark/"
"""Keys that begin so are no subject's: what they say is of the partition that they stand in."""
DEFAULT_PARTITIONS: Final = 12

Table = Literal["by-number", "by-account", "reference"]
TABLES: Final[tuple[Table, ...]] = ("by-number", "by-account", "reference")
TABLE_OF: Final[dict[SubjectKind, Table]] = {
    "number": "by-number",
    "email": "by-number",
    "account": "by-account",
    "operator": "reference",
}
"""In which table the state of a subject is, by its kind."""


class Topics(NamedTuple):
    """The names of one installation's topics. `version` goes up when the ledger gets more partitions."""

    prefix: str = "preferences"
    version: int = 1

    @property
    def ledger(self) -> str:
        """Every event, in order by subject; kept for ever."""
        return self._versioned("ledger")

    def table(self, name: Table) -> str:
        """The states of one kind of subject: compacted, and the worker's own changelog."""
        return self._versioned(name)

    @property
    def tables(self) -> dict[Table, str]:
        """All three of them."""
        return {name: self.table(name) for name in TABLES}

    @property
    def rejected(self) -> str:
        """What could not be folded, with place and reason."""
        return self._versioned("rejected")

    @property
    def identities(self) -> str:
        """Who is behind a reference: sealed, erasable."""
        return f"{self.prefix}.identities.v1"

    @property
    def evidence(self) -> str:
        """A person's own words: sealed, erasable."""
        return f"{self.prefix}.evidence.v1"

    @property
    def receipts(self) -> str:
        """What each gateway process has applied, and how long its lease runs; kept."""
        return f"{self.prefix}.receipts.v1"

    @property
    def decisions(self) -> str:
        """Decisions on real sends."""
        return f"{self.prefix}.decisions.v1"

    @property
    def replies(self) -> str:
        """Inbound messages that are neither statement nor follow-up."""
        return f"{self.prefix}.replies.v1"

    def _versioned(self, name: str) -> str:
        return f"{self.prefix}.{name}.v{self.version}"


def watermark_key(partition: int) -> str:
    """The key under which a table's partition says how far it has folded the ledger's partition of that number."""
    return f"{WATERMARK}{partition}"


def partition_of(key: str, partitions: int) -> int:
    """Where a subject is: as Kafka's own default partitioner has it, so that any language agrees.

    `key` is a subject or the key of a later part of its state (`ref#1`), which lies beside the first.
    """
    return (murmur2(key.partition("#")[0].encode()) & 0x7FFF_FFFF) % partitions


def murmur2(data: bytes) -> int:
    """The 32-bit MurmurHash2 with Kafka's seed (org.apache.kafka.common.utils.Utils.murmur2), unsigned."""
    whole = len(data) & ~3
    state = 0x9747_B28C ^ len(data)
    for start in range(0, whole, 4):
        mixed = int.from_bytes(data[start : start + 4], "little") * 0x5BD1_E995 & MASK
        mixed = (mixed ^ mixed >> 24) * 0x5BD1_E995 & MASK
        state = state * 0x5BD1_E995 & MASK ^ mixed
    if len(data) > whole:
        state = (state ^ int.from_bytes(data[whole:], "little")) * 0x5BD1_E995 & MASK
    state = (state ^ state >> 13) * 0x5BD1_E995 & MASK
    return state ^ state >> 15
