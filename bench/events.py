"""Events for the benchmarks on Kafka: small ones for a fold that any framework can do, and real ones for the product's.

Both are of KEYS subjects, whose references follow from a number, and are made anew from a seed: nothing is kept.
"""

from collections.abc import Callable, Iterator
from random import Random

from ledger.log import Entry
from projections.reading import read
from schemas.encoding import decode
from schemas.subject import SubjectKind

KEYS = 100_000
EVENTS = 1_000_000
PARTITIONS = 4
BEGINNING = 1_790_000_000_000
SIMPLE_BYTES, REAL_BYTES = 299, 515
Made = tuple[str, bytes]
"""Key and value, as the ledger topic has them."""


def subject(position: int) -> str:
    """A reference as `ledger/reference.py` makes them: 32 hex digits without order."""
    return f"{(position * 0x9E37_79B9_7F4A_7C15_F39C_0C60_5CED_C835 + 0x1B873593) % (1 << 128):032x}"


SUBJECTS = [subject(position) for position in range(KEYS)]
ACCOUNTS = [subject(position) for position in range(KEYS, KEYS + KEYS // 2)]


def simple(events: int, seed: int = 7) -> Iterator[Made]:
    """Events of 299 bytes. The fold that all do: `{"count": events of the key, "last": event_id of the last}`."""
    random = Random(seed)
    for position in range(events):
        key = SUBJECTS[random.randrange(KEYS)]
        said = (
            f'{{"event_id":"{event_id(random, position)}","type":"PreferenceRevoked","kind":"number","subject":"{key}",'
            f'"occurred_at":{BEGINNING + position},"actor":"import:0123456789ab",'
            f'"scope":{{"brand":"acme","channel":"sms","purpose":"marketing"}},"source":"'
        )
        yield key, f'{said}{"x" * (SIMPLE_BYTES - len(said) - 2)}"}}'.encode()


def real(events: int, seed: int = 7) -> Iterator[Made]:
    """Events of about 515 bytes as a large sender's ledger holds them: half opt-outs, the rest yes and links."""
    random = Random(seed)
    _check(real_event(random, position, kind) for position, kind in enumerate(_REAL))
    for position in range(events):
        yield real_event(random, position, _REAL[random.randrange(4)])


def real_event(
    random: Random, position: int, said: Callable[[Random], str], key: str | None = None, kind: SubjectKind = "number"
) -> Made:
    """One of them; `key` instead of a random subject."""
    key = key or SUBJECTS[random.randrange(KEYS)]
    at = BEGINNING + position
    return key, (
        f'{{"kind":"{kind}","subject":"{key}","event_id":"{event_id(random, position)}","occurred_at":{at},'
        f'"received_at":{at},"actor":"import:0123456789ab","capture":{{"source":"import","procedure":"opt-out@2"}},'
        f'"idempotency_key":"{random.getrandbits(128):032x}","content":"{random.getrandbits(128):032x}",'
        f'"correlation_id":"{event_id(random, position)}",{said(random)},"schema_version":1}}'
    ).encode()


def event_id(random: Random, position: int) -> str:
    """A UUIDv7."""
    noise = f"{random.getrandbits(76):019x}"
    stamp = f"{BEGINNING + position:012x}"
    return f"{stamp[:8]}-{stamp[8:]}-7{noise[:3]}-8{noise[3:6]}-{noise[6:18]}"


def revoked(_random: Random) -> str:
    """Everything, as STOP has it."""
    return '"type":"PreferenceRevoked","scope":{"brand":"*","channel":"*","purpose":"*"}'


def granted(_random: Random) -> str:
    """A yes to one purpose."""
    scope = '"scope":{"brand":"acme","channel":"sms","purpose":"marketing.offers"}'
    return f'"type":"PreferenceGranted",{scope},"basis":"express"'


def linked(random: Random) -> str:
    """One of an account's numbers."""
    account = ACCOUNTS[random.randrange(len(ACCOUNTS))]
    return f'"type":"ContactLinked","account":"{account}","reason":"added"'


_REAL = (revoked, revoked, granted, linked)


def _check(made: Iterator[Made]) -> None:
    """The models take them in full, and a fold reads them: a benchmark of rejected events would be a fast one."""
    for key, value in made:
        assert decode(value).subject == read(value)["subject"] == key


def entry(made: Made) -> Entry:
    """As a recorder hands it to the log."""
    key, value = made
    event = decode(value)
    return Entry(key, value, event.event_id, event.idempotency_key, event.content)
