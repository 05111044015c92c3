"""The command `prefledger`: what groups there are, and what an error becomes.

Exit codes: 0 done, allowed, nothing found · 1 the answer is no · 2 wrong usage or input, nothing written · 3 a service
is not reachable, nothing was acknowledged, repeat with the same key · 4 a checkpoint that was given could not be held
against the log (`verify-bundle`) · 70 our own fault.
"""

import os
import platform
import sys
import traceback
from collections.abc import Sequence

import typer

from consumers.cli import (
    confirm,
    decisions,
    exporting,
    gaps,
    gateway,
    history,
    importing,
    late,
    links,
    operations,
    operator,
    privacy,
    procedures,
    projector,
    proofs,
    questions,
    replay,
    reporting,
    statements,
    topics,
    violations,
    worker,
)
from consumers.cli.output import complain
from ledger.errors import TamperedError, UnavailableError
from schemas.errors import PreferenceLedgerError

OK, NO, USAGE, AWAY, BUG = 0, 1, 2, 3, 70

app = typer.Typer(
    name="prefledger",
    help="The preference ledger: who may be texted, called or mailed, who said so, and when it was in force.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
for group in (
    statements,
    links,
    importing,
    questions,
    confirm,
    history,
    decisions,
    gaps,
    late,
    violations,
    procedures,
    replay,
    exporting,
    reporting,
    proofs,
    operator,
    privacy,
    operations,
    topics,
    worker,
    gateway,
    projector,
):
    group.add_to(app)


def run(arguments: Sequence[str]) -> int:
    """Runs one command and returns its exit code; every expected error becomes one sentence on stderr."""
    try:
        app(list(arguments), prog_name="prefledger")
    except SystemExit as ended:  # how typer ends, with 2 for wrong usage and what a command says otherwise
        return ended.code if isinstance(ended.code, int) else OK
    except UnavailableError as error:
        complain(str(error))
        return AWAY
    except TamperedError as error:
        complain(str(error))
        return NO
    except PreferenceLedgerError as error:
        complain(str(error))
        return USAGE
    except BrokenPipeError:  # who read stdout has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except Exception:
        return _report_bug()
    return OK


def _report_bug() -> int:
    complain("this is a fault of prefledger itself. Please report it with what follows:")
    sys.stderr.write(f"Python {platform.python_version()}, {platform.system()}\n{traceback.format_exc()}")
    return BUG


def main() -> None:
    """The entry point of the command."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
