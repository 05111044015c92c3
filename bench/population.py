"""Ten million numbers, each with an opt-out, every second one in an account, as the states that a worker has folded.

Number, reference and state follow from a position, so that nothing but the references is kept while they are made.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np
import orjson

from consumers.replica import Replica
from ledger.reference import References
from schemas.events import OPERATOR_POLICY
from schemas.policy import Policy

REFERENCES = References(bytes(range(32)))
AREAS = (416, 647, 905, 604, 514)
PER_AREA = 8_000_000
BEGINNING = 1_790_000_000_000
NOW = BEGINNING + 30 * 86_400_000
ACCOUNTS_OPTED_OUT = 100  # of how many accounts one opted out
POLICY = Policy.model_validate(
    {
        "name": "bench", "version": "1", "brand": "acme", "brands": ["acme"], "channels": ["sms", "voice", "email"],
        "purposes": {"marketing": {"regime": "opt_in"}, "marketing.offers": {}, "service": {"regime": "opt_out"}},
        "effective_from": 0,
    }
)  # fmt: skip
SCOPES = tuple(
    f'{{"brand":"{brand}","channel":"{channel}","purpose":"{purpose}"}}'
    for brand, channel, purpose in (("*", "*", "*"), ("*", "sms", "*"), ("acme", "*", "marketing"))
)


def number(position: int) -> str:
    """A valid number; each position has its own."""
    area, rest = divmod(position, PER_AREA)
    return f"+1{AREAS[area]}{2_000_000 + rest}"


def account_of(position: int) -> str:
    """The account of an even position: two numbers each."""
    return f"ACC-{position // 4}"


def parts(numbers: int) -> Iterator[tuple[str, bytes]]:
    """The stored parts of that many numbers, of the accounts that opted out, and of the policy; ordered by key."""
    accounts = range(0, numbers, 4 * ACCOUNTS_OPTED_OUT)
    digest = REFERENCES.digest
    references = np.empty((numbers + len(accounts), 16), np.uint8)
    for position in range(numbers):
        references[position] = np.frombuffer(digest("number", number(position)), np.uint8)
    for place, position in enumerate(accounts, numbers):
        references[place] = np.frombuffer(digest("account", account_of(position)), np.uint8)
    high = np.ascontiguousarray(references[:, :8]).view(">u8")[:, 0].astype(np.uint64)
    offsets = count(1)
    for place in np.argsort(high, kind="stable"):
        reference = references[place].tobytes().hex()
        if place < numbers:
            yield reference, _of_number(reference, int(place), next(offsets))
        else:
            yield reference, _state("account", reference, _revocation(int(place), next(offsets)))
    yield OPERATOR_POLICY, _policy()


def _of_number(reference: str, position: int, offset: int) -> bytes:
    revocation = _revocation(position, offset)
    if position % 2:
        return _state("number", reference, revocation)
    account = REFERENCES.of("account", account_of(position))
    link = _entry("ContactLinked", position - 1, offset, f'"account":"{account}","reason":"added"')
    return _state("number", reference, f"{link},{revocation}")


def _revocation(position: int, offset: int) -> str:
    return _entry("PreferenceRevoked", position, offset, f'"scope":{SCOPES[position % 3]}')


def _entry(type_: str, position: int, offset: int, said: str) -> str:
    at = BEGINNING + position
    noise, key = os.urandom(10).hex(), os.urandom(32).hex()
    stamp = f"{at:012x}"
    event = f"{stamp[:8]}-{stamp[8:]}-7{noise[:3]}-8{noise[3:6]}-{noise[6:18]}"
    return (
        f'{{"content":"{key[:32]}","event_id":"{event}","idempotency_key":"{key[32:]}","occurred_at":{at},"offset":{offset},'
        f'"recorded_at":{at},{said},"type":"{type_}"}}'
    )


def _state(kind: str, reference: str, entries: str) -> bytes:
    return (
        f'{{"entries":[{entries}],"kind":"{kind}","offset":1,"part":0,"partition":0,"parts":1,"subject":"{reference}"}}'
    ).encode()


def _policy() -> bytes:
    entry = orjson.loads(_entry("PolicyPublished", 0, 0, '"policy":null'))
    entry["policy"] = POLICY.model_dump(mode="json", exclude_none=True)
    state = {"kind": "operator", "subject": OPERATOR_POLICY, "part": 0, "parts": 1, "partition": 0, "offset": 0}
    return orjson.dumps(state | {"entries": [entry]})


def snapshot(path: Path, numbers: int) -> None:
    """Writes the copy of so many numbers, through the way in that every gateway uses; in a process of its own."""
    command = [sys.executable, "-m", "bench.population", str(path), str(numbers)]
    subprocess.run(command, check=True)


if __name__ == "__main__":
    replica = Replica.of_parts(parts(int(sys.argv[2])), {0: int(sys.argv[2])}, REFERENCES.fingerprint)
    replica.save(Path(sys.argv[1]))
