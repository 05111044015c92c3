"""The case of 2014 told with the product's own commands, on a throw-away ledger.

Every line that begins with `$` is a command as a user would type it, run as a process of its own, and what follows is
what it printed. Nothing is acted: if an answer is not the one that the story needs, the story stops and says so.
"""

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

FAMILY = tuple(f"+1416555010{number}" for number in range(1, 6))
PRIMARY, SECOND = FAMILY[:2]
SIXTH = "+14165550106"
NEIGHBOURS = ("+16045550111", "+16045550112")
OFFERS = ("--channel", "sms", "--purpose", "marketing.offers")
YES = (*OFFERS, "--basis", "express")


class Step(NamedTuple):
    """A command, and the exit code that the story needs of it."""

    arguments: Sequence[str]
    expected: int = 0


class Chapter(NamedTuple):
    """What a reader is told, and the commands that show it."""

    words: str
    steps: Sequence[Step]


def _decide(number: str, at: str, expected: int) -> Step:
    return Step(("decide", number, *OFFERS, "--at", at), expected)


STORY = (
    Chapter(
        "2013. A family has five numbers on one account, a neighbour two on another. All of them said yes to offers.",
        (
            Step(("procedure", "publish", "opt-out@1", "--occurred-at", "2012-01-09T09:00:00-05:00")),
            Step(("link", "FAMILY-77", *FAMILY, "--occurred-at", "2013-02-01T10:00:00-05:00")),
            Step(("link", "NEIGHBOUR-12", *NEIGHBOURS, "--occurred-at", "2013-02-01T11:00:00-05:00")),
            *(
                Step(("grant", number, *YES, "--occurred-at", "2013-02-02T10:00:00-05:00"))
                for number in (*FAMILY, *NEIGHBOURS)
            ),
        ),
    ),
    Chapter(
        "March 2014. Head office replaces the opt-out procedure: version 2 says to opt out the whole account. Not\n"
        "everybody hears of it.",
        (
            Step(("procedure", "publish", "opt-out@2", "--occurred-at", "2014-03-03T09:00:00-05:00")),
            Step(("procedure", "withdraw", "opt-out@1", "--occurred-at", "2014-03-03T09:00:00-05:00")),
            Step(("procedure", "acknowledge", "opt-out@2", "--actor", "agent:ben")),
        ),
    ),
    Chapter(
        "May 2014. The customer asks for no more promotional texts. The agent works by version 1: she opts out the\n"
        "primary number only, and confirms. An opt-out is never refused, so it is recorded; but it is flagged, and a\n"
        "follow-up asks a person to look at the rest. Another customer is treated the same way.",
        tuple(
            Step(
                (
                    "revoke", number, "--purpose", "marketing", "--reach", "contact", "--actor", "agent:ada",
                    "--procedure", "opt-out@1", "--occurred-at", "2014-05-12T15:00:00-04:00",
                    "--evidence", "I do not want any more of these texts.",
                )
            )
            for number in (PRIMARY, NEIGHBOURS[0])
        ),
    ),
    Chapter(
        "The primary number gets no more offers. The second number of the same customer still does: this is what\n"
        "happened in 2014, and nobody could tell.",
        (_decide(PRIMARY, "2014-05-13T10:00:00-04:00", 1), _decide(SECOND, "2014-05-13T10:00:00-04:00", 0)),
    ),
    Chapter(
        "Here everybody can. The audit names the accounts of which only a part opted out, the changes that were made\n"
        "under a procedure no longer in force, who else is affected, and what waits for a person.",
        (Step(("gaps", "--strict"), 1), Step(("procedures",), 1), Step(("follow-ups", "list"))),
    ),
    Chapter(
        "So the account itself is opted out: one event. All five numbers are denied by it.",
        (
            Step(
                (
                    "revoke", "account:FAMILY-77", "--purpose", "marketing", "--actor", "agent:ben",
                    "--procedure", "opt-out@2", "--occurred-at", "2014-06-02T09:00:00-04:00",
                )
            ),
            *(_decide(number, "2014-06-03T10:00:00-04:00", 1) for number in FAMILY),
        ),
    ),
    Chapter(
        "A year later a sixth number joins the account. It never said no, and it is denied.",
        (
            Step(("grant", SIXTH, *YES, "--occurred-at", "2013-06-01T10:00:00-04:00")),
            Step(("link", "FAMILY-77", SIXTH, "--occurred-at", "2015-06-02T10:00:00-04:00")),
            _decide(SIXTH, "2015-06-03T10:00:00-04:00", 1),
        ),
    ),
    Chapter(
        "The second number leaves the account. Leaving does not free: it stays denied until it says yes itself.",
        (
            Step(("unlink", "FAMILY-77", SECOND, "--reason", "ported", "--occurred-at", "2015-09-01T10:00:00-04:00")),
            _decide(SECOND, "2015-09-02T10:00:00-04:00", 1),
            Step(("grant", SECOND, *YES, "--actor", "person", "--occurred-at", "2016-01-04T10:00:00-05:00")),
            _decide(SECOND, "2016-01-05T10:00:00-05:00", 0),
        ),
    ),
    Chapter(
        "The neighbour, whom the audit had found, is put right too. Now there are no gaps left.",
        (
            Step(
                (
                    "revoke", NEIGHBOURS[0], "--purpose", "marketing", "--actor", "agent:ben",
                    "--procedure", "opt-out@2", "--occurred-at", "2014-06-02T09:30:00-04:00",
                )
            ),
            Step(("gaps", "--strict")),
        ),
    ),
    Chapter(
        "And the whole of it can be told in order, years later: who said what, when, by which procedure.",
        (Step(("timeline", SECOND)), Step(("replay",))),
    ),
)  # fmt: skip


def tell(quietly: bool = False) -> bool:
    """Runs the story on a ledger of its own, which is gone afterwards; false if an answer was not the expected one."""
    with tempfile.TemporaryDirectory(prefix="prefledger-demo-") as home:
        for chapter in STORY:
            _say(f"\n{chapter.words}\n", quietly)
            for step in chapter.steps:
                if not _run(step, Path(home), quietly):
                    return False
    _say(
        "\nThat was the case of 2014, on a ledger of its own that is gone now. Try it on yours: prefledger --help",
        quietly,
    )
    return True


def _run(step: Step, home: Path, quietly: bool) -> bool:
    _say(f"  $ prefledger {shlex.join(step.arguments)}", quietly)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFLEDGER_")}
    done = subprocess.run(  # noqa: S603  # this very program, with arguments from this file
        [sys.executable, "-m", "consumers.cli.main", *step.arguments],
        env=kept | {"PREFLEDGER_HOME": str(home)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    for line in (done.stdout + done.stderr).splitlines():
        _say(f"    {line}", quietly)
    if done.returncode != step.expected:
        sys.stderr.write(f"prefledger: the story needs exit code {step.expected} here, it was {done.returncode}\n")
    return done.returncode == step.expected


def _say(text: str, quietly: bool) -> None:
    if not quietly:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
