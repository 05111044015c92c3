"""The commands of `docs/audit.md` run as they stand on the case of 2014, and say what the page shows."""

import re
from pathlib import Path

from tests.consumers.commands import OFFERS, Answer, Commands
from tests.consumers.test_an_auditor_works_the_canadian_case import FAMILY, OTHERS, TEXTED, operate

PAGE = Path(__file__).resolve().parents[2] / "docs" / "audit.md"
SIXTH = "+14165550106"
CUSTOMERS = [*(("FAMILY", number) for number in FAMILY), ("FAMILY", SIXTH), ("OTHER", OTHERS[0])]
ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}")
CHANGES = re.compile(
    r"20[2-9]\d-\d\d-\d\dT[\d:.]+Z|[0-9a-f]{16}…|lag [\d,.]+ \w+|[\d,.]+ s after|"
    r"\+[0-9a-f]{8}\+[\w+/]{44}|[\w+/]{43,}=+"  # keys, roots and signatures in base64
)


def steady(text: str) -> str:
    """Without what is another in every run: ids, times of recording, commitments, keys; on a slow machine the lags."""
    return CHANGES.sub("…", ID.sub("…", text)).replace(", recorded …", "").strip()


def run(commands: Commands, line: str, ids: dict[str, str]) -> Answer:
    """A command of the page; an id in it is that which an earlier answer had where the page shows this one."""
    return commands(*(ids.get(word, word) for word in line.removeprefix("prefledger ").split()))


def test_every_answer_on_the_page_is_what_the_command_says(commands: Commands) -> None:
    operate(commands, TEXTED[:2])
    commands.json("grant", SIXTH, *OFFERS, "--basis", "express")
    rows = "".join(f"{account},{number}\n" for account, number in CUSTOMERS)
    (commands.home.parent / "customers.csv").write_text(f"account,number\n{rows}", "utf-8")
    ids: dict[str, str] = {}
    for section in re.split(r"^## ", PAGE.read_text("utf-8"), flags=re.MULTILINE)[1:]:
        blocks = re.findall(r"```console\n(.*?)```", section, re.DOTALL)
        steps = [step for block in blocks for step in re.split(r"^\$ ", block, flags=re.MULTILINE) if step]
        assert steps, f"no command answers: {section.partition(chr(10))[0]}"
        for step in steps:
            line, _, shown = step.partition("\n")
            command, _, code = line.partition("  #")
            answer = run(commands, command, ids)
            assert answer.code == int(code or 0), line
            assert steady(answer.out) == steady(shown), line
            ids |= zip(ID.findall(shown), ID.findall(answer.out), strict=True)
