"""The commands of `docs/audit.md` run as they stand on the case of 2014, and say what the page shows."""

import re
from pathlib import Path

from tests.consumers.commands import OFFERS, Commands
from tests.consumers.test_an_auditor_works_the_canadian_case import FAMILY, OTHERS, operate

PAGE = Path(__file__).resolve().parents[2] / "docs" / "audit.md"
SIXTH = "+14165550106"
CUSTOMERS = [*(("FAMILY", number) for number in FAMILY), ("FAMILY", SIXTH), ("OTHER", OTHERS[0])]
CHANGES = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|20[2-9]\d-\d\d-\d\dT[\d:.]+Z|[0-9a-f]{16}…|lag [\d,.]+ \w+")


def steady(text: str) -> str:
    """Without what is another in every run: ids, times of recording, commitments; on a slow machine what is late."""
    return CHANGES.sub("…", text).replace(", recorded …", "").strip()


def test_every_answer_on_the_page_is_what_the_command_says(commands: Commands) -> None:
    operate(commands)
    commands.json("grant", SIXTH, *OFFERS, "--basis", "express")
    rows = "".join(f"{account},{number}\n" for account, number in CUSTOMERS)
    (commands.home.parent / "customers.csv").write_text(f"account,number\n{rows}", "utf-8")
    blocks = re.findall(r"```console\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    steps = [step for block in blocks for step in re.split(r"^\$ ", block, flags=re.MULTILINE) if step]
    assert len(steps) >= 6
    for step in steps:
        line, _, shown = step.partition("\n")
        command, _, code = line.partition("  #")
        answer = commands(*command.removeprefix("prefledger ").split())
        assert answer.code == int(code or 0), line
        assert steady(answer.out) == steady(shown), line
