"""What a process and its children have used, from /proc."""

import os
from pathlib import Path
from typing import NamedTuple

TICKS = os.sysconf("SC_CLK_TCK")


class Used(NamedTuple):
    """CPU seconds, user and system, and the peak of memory in bytes (of all processes, each at its own peak)."""

    cpu_s: float
    peak: int


def used(pid: int) -> Used:
    """Of a process and of all that it has started and that still runs."""
    found = [_own(one) for one in tree(pid)]
    return Used(sum(one.cpu_s for one in found), sum(one.peak for one in found))


def tree(pid: int) -> list[int]:
    """A process and its descendants."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return [pid]
    return [pid, *(one for child in children for one in tree(child))]


def _own(pid: int) -> Used:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        status = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return Used(0, 0)
    peak = next((int(line.split()[1]) << 10 for line in status if line.startswith("VmHWM")), 0)
    return Used(sum(map(int, stat[11:15])) / TICKS, peak)
