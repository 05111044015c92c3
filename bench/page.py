"""BENCHMARKS.md: what each part measures and what limits it, written by hand, and its figures, put in by the part."""

import re
from pathlib import Path
from typing import Final

PAGE: Final = Path("BENCHMARKS.md")
BEGIN, END = "<!-- figures: {} -->", "<!-- end -->"


def keep(page: str, name: str, title: str, figures: str) -> str:
    """The page with a part's figures in place of those that it had; what is written around them stays."""
    begin = BEGIN.format(name)
    made = f"{begin}\n{figures.strip()}\n{END}"
    if begin not in page:
        return f"{page.rstrip()}\n\n## {title}\n\n{made}\n"
    return re.sub(rf"{re.escape(begin)}.*?{END}", lambda _: made, page, count=1, flags=re.DOTALL)
