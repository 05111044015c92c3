"""The example reader of docs/readers/java, compiled as docs/readers.md says, and asked in its own process."""

import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import orjson

from ledger.broker import Broker
from stack.kafka import NoJavaError, jars
from tests.reference_model import Message

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "docs" / "readers" / "java" / "preferences"
ASKED_OF_STATES = ROOT / "tests" / "kafka" / "java" / "AskedOfStates.java"

PATIENCE_S = 400.0
"""It takes seconds; a machine that is busy with all other tests takes longer."""


class Told(NamedTuple):
    """An answer: what is compared, and as of where."""

    allowed: bool
    reason: str
    evidence: frozenset[str]
    watermark: dict[int, int]


def compile_reader(sources: Path, out: Path) -> Path:
    """Compiles a reader, warnings being errors, and returns the folder of its classes. Raises NoJavaError."""
    if not shutil.which("javac"):
        raise NoJavaError("the reader in Java needs javac (Debian: openjdk-17-jdk-headless)")
    files = [*sorted(sources.glob("*.java")), ASKED_OF_STATES]
    command = [
        "javac",
        "-J-XX:TieredStopAtLevel=1",
        "-Xlint:all",
        "-Werror",
        "-cp",
        f"{jars()}/*",
        "-d",
        str(out),
        *map(str, files),
    ]
    subprocess.run(command, check=True)
    return out


def asked(message: Message) -> dict[str, Any]:
    """A question as the reader takes it; what is not known is left out."""
    return {name: value for name, value in message._asdict().items() if value is not None}


def told(line: bytes) -> Told:
    """An answer as the reader gives it."""
    said = orjson.loads(line)
    marks = {int(partition): offset for partition, offset in said.get("watermark", {}).items()}
    return Told(said["allowed"], said["reason"], frozenset(said["evidence"]), marks)


class JavaReader:
    """The reader on a broker; it has read the tables when it gives its first answer."""

    def __init__(self, classes: Path, broker: Broker, folder: Path) -> None:
        settings = folder / "client.properties"
        settings.write_text(f"bootstrap.servers={broker.name}\n")
        self._log = (folder / "reader.log").open("wb")
        self._child = subprocess.Popen(
            _command(classes, "Main", str(settings), broker.topics.prefix),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log,
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._child.communicate(timeout=PATIENCE_S)
        self._log.close()

    def refresh(self) -> None:
        """Lets it read what the tables have got since."""
        assert self._child.stdin
        self._child.stdin.write(b"\n")

    def ask(self, message: Message) -> Told:
        """Asks one question and waits for the answer."""
        return told(self._answer_to(asked(message)))

    def error_of(self, question: dict[str, Any]) -> str:
        """What it says of a question that it does not allow because it cannot answer it."""
        said = orjson.loads(self._answer_to(question))
        assert said["allowed"] is False
        return str(said["error"])

    def _answer_to(self, question: dict[str, Any]) -> bytes:
        assert self._child.stdin
        assert self._child.stdout
        self._child.stdin.write(orjson.dumps(question) + b"\n")
        self._child.stdin.flush()
        return self._child.stdout.readline()

    def ask_all(self, messages: Sequence[Message]) -> list[Told]:
        """Asks many questions at once; nothing can be asked after them."""
        lines = b"".join(orjson.dumps(asked(message)) + b"\n" for message in messages)
        out, _ = self._child.communicate(lines, timeout=PATIENCE_S)
        return [told(line) for line in out.splitlines()]


def ask_the_rules(classes: Path, cases: Iterable[dict[str, Any]]) -> list[Told]:
    """What the reader's rules say of states and questions that are handed to them without a broker."""
    lines = b"".join(orjson.dumps(case) + b"\n" for case in cases)
    done = subprocess.run(
        _command(classes, "AskedOfStates"), input=lines, capture_output=True, check=True, timeout=PATIENCE_S
    )
    return [told(line) for line in done.stdout.splitlines()]


def _command(classes: Path, name: str, *arguments: str) -> list[str]:
    return [
        "java",
        "-Xmx256m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-cp",
        f"{classes}:{jars()}/*",
        f"preferences.{name}",
        *arguments,
    ]
