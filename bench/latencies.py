"""Latencies as people read them: quantiles in a row, and a histogram in text."""

from collections.abc import Sequence

BOUNDS_MS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000)
WIDTH = 50
HEAD = "| milliseconds | samples | p50 | p90 | p99 | p99.9 | most |\n|---|---:|---:|---:|---:|---:|---:|"


def row(title: str, milliseconds: Sequence[float]) -> str:
    """A row under HEAD."""
    found = sorted(milliseconds)
    parts = [found[min(len(found) - 1, int(len(found) * share))] for share in (0.5, 0.9, 0.99, 0.999, 1)]
    return f"| {title} | {len(found):,} | " + " | ".join(f"{part:,.1f}" for part in parts) + " |"


def histogram(title: str, milliseconds: Sequence[float]) -> str:
    """How many fall below each bound, and not below the one before it."""
    lines = [title]
    before = 0
    for bound, label in [*((bound, f"< {bound:,}") for bound in BOUNDS_MS), (float("inf"), "more")]:
        below = sum(one < bound for one in milliseconds)
        share = (below - before) / len(milliseconds)
        if below > before:
            lines.append(f"{label:>8} ms {share:7.2%} {'#' * max(1, round(share * WIDTH))}")
        before = below
    return "```text\n" + "\n".join(lines) + "\n```"
