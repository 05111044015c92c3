"""What a number costs: measured on 300,000 of them, each with an opt-out, every second one in an account."""

import subprocess
import sys
from pathlib import Path

NUMBERS = 300_000
INDEX = 2 * 4 * (1 << 19)  # of the two tables, however many numbers they have

MEASURE = """
import resource, sys
from consumers.replica import Replica
from bench.population import REFERENCES, NOW, number
from consumers.gate import Gate
from pathlib import Path
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
replica = Replica.open(Path(sys.argv[1]), REFERENCES.fingerprint)
replica.is_current()
gate = Gate(replica, REFERENCES)
for place in range(0, int(sys.argv[2]), 7):
    assert gate.decide(number(place), channel="sms", purpose="marketing", at=NOW).reason == "revoked_by_number"
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
rows = sum(len(replica.base.tables[name]) * (8 + replica.base.tables[name].width) for name in ("alone", "linked"))
print(rows, replica.base.size, (after - before) * 1024)
"""


def test_a_number_costs_at_most_forty_bytes(tmp_path: Path) -> None:
    path = tmp_path / "replica"
    run("-m", "bench.population", str(path), str(NUMBERS))
    rows, held, grown = map(int, run("-c", MEASURE, str(path), str(NUMBERS)).split())
    assert rows / NUMBERS + INDEX / 10_000_000 <= 40
    assert grown <= held + 8_000_000  # and nothing beside the tables grows with their number


def run(*arguments: str) -> str:
    done = subprocess.run([sys.executable, *arguments], check=True, capture_output=True, text=True)
    return done.stdout
