"""States that are kept take as much memory as they have bytes, and not what the maker of their JSON had put aside."""

import subprocess
import sys

MEASURE = """
import resource
from projections.fold import Part, from_bytes, to_bytes

ENTRY = b'{"type":"PreferenceRevoked","event_id":"019a0000-0000-7000-8000-000000000000","offset":1}'
stored = to_bytes(Part("number", "a" * 32, 0, None, 0, 1, (ENTRY,) * 5))
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before = peak()
kept = [from_bytes(stored) for _ in range(10_000)]
assert all(part.entries == (ENTRY,) * 5 for part in kept)
print((peak() - before) * 1024 // len(kept))
"""


def test_a_state_that_was_read_again_takes_as_much_as_its_entries() -> None:
    found = subprocess.run([sys.executable, "-c", MEASURE], check=True, capture_output=True, text=True)
    assert int(found.stdout) < 3_000, "five entries of 90 bytes, and what Python puts around them"
