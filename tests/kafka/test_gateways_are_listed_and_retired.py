"""`gateway list` and `gateway retire`, as they are typed, beside gateways that run."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from consumers.gateway import Gateway
from ledger.broker import Broker
from stack.processes import wait_until
from tests.consumers.commands import Commands
from tests.kafka.gateways import Ran, codes, gateway, offers
from tests.kafka.table_writer import TableWriter
from tests.kafka.workers import LONG, MARKS

pytestmark = MARKS
COLUMNS = ["name", "process", "state", "lag", "lease_s", "told_at", "policy"]


@contextmanager
def running(broker: Broker, folder: Path, *names: str) -> Iterator[list[Gateway]]:
    """Gateways of these names, each with a folder of its own, current before the next one is started."""
    with ExitStack() as stack:
        found = []
        for number, name in enumerate(names):
            (own := folder / f"gateway-{number}").mkdir()
            found.append(stack.enter_context(gateway(broker, own, name)))
            found[-1].wait_until_current(LONG)
        yield found


def listed(typed: Commands) -> dict[str, str]:
    """The state of each process, by its id."""
    return {one["process"]: one["state"] for one in typed.lines("gateway", "list")}


def test_every_process_is_listed_with_how_far_it_is(broker: Broker, tmp_path: Path, typed: Commands) -> None:
    with TableWriter(broker) as ledger, ledger.working():
        assert typed.lines("gateway", "list") == []
        with running(broker, tmp_path, "voice-1", "sms-1", "sms-1") as (voice, first, second):
            every = [first.process, second.process, voice.process]
            wait_until(lambda: listed(typed) == dict.fromkeys(every, "current"), LONG, "all tell that they are current")
            wait_until(lambda: {one["lag"] for one in typed.lines("gateway", "list")} == {0}, LONG, "none is behind")
            said = typed.lines("gateway", "list")
            shown = typed("gateway", "list")
        assert [one["name"] for one in said] == ["sms-1", "sms-1", "voice-1"]
        assert [one["process"] for one in said] == every
        assert {(one["lease_s"], one["policy"]) for one in said} == {(30.0, "default@1")}
        ends = {str(partition): len(ledger.read(partition)) for partition in range(ledger.partitions)}
        assert all(one["watermark"][partition] <= end for one in said for partition, end in ends.items())
        heading, _line, *rows = [line.split() for line in shown.out.splitlines() if line.strip()]
        assert (shown.code, heading) == (0, COLUMNS)
        assert [row[:3] for row in rows] == [[one["name"], one["process"], "current"] for one in said]
        assert [row[-1] for row in rows] == ["default@1"] * 3
        wait_until(lambda: listed(typed) == {}, LONG, "those that have ended are gone")


def test_one_process_is_retired_by_its_id_and_the_others_go_on(broker: Broker, tmp_path: Path, typed: Commands) -> None:
    with (
        TableWriter(broker) as ledger,
        ledger.working(),
        running(broker, tmp_path, "sms-1", "sms-1", "voice-1") as (first, second, voice),
    ):
        wait_until(lambda: len(listed(typed)) == 3, LONG, "their registrations are folded")
        said = typed.lines("gateway", "retire", "sms-1", "--process", first.process)
        assert said == [{"name": "sms-1", "process": first.process}]
        wait_until(lambda: first.running.failed is not None, LONG, "it has read that")
        assert (offers(first), codes(first)) == ("stale", "stale")
        wait_until(lambda: set(listed(typed)) == {second.process, voice.process}, LONG, "it is gone from the list")
        assert (offers(second), codes(second)) == ("no_consent", "never_needs_consent")
        again = typed("gateway", "retire", "sms-1", "--process", first.process)
        assert again.code == 2
        assert f"no process {first.process} of the gateway sms-1 is registered" in again.err
        words = typed("gateway", "retire", "sms-1")
        assert (words.code, words.out) == (0, f"Retired sms-1, process {second.process}.\n")
        wait_until(lambda: second.running.failed is not None, LONG, "it has read that")
        wait_until(lambda: set(listed(typed)) == {voice.process}, LONG, "both are gone from the list")
        assert (offers(voice), codes(voice)) == ("no_consent", "never_needs_consent")


def test_a_process_that_is_retired_ends_with_what_it_was_told(broker: Broker, tmp_path: Path, typed: Commands) -> None:
    with TableWriter(broker) as ledger, ledger.working():
        ran = Ran(broker, tmp_path / "gateway")
        ran.says("no_consent")
        wait_until(lambda: len(listed(typed)) == 1, LONG, "its registration is folded")
        [process] = listed(typed)
        words = typed("gateway", "retire", "sms-1")
        assert (words.code, words.out) == (0, f"Retired sms-1, process {process}.\n")
        wait_until(lambda: ran.process.code is not None, LONG, "it ends")
        assert ran.process.code == 2
        assert "was retired" in ran.process.said()
        wait_until(lambda: listed(typed) == {}, LONG, "it is gone from the list")
        nobody = typed("gateway", "retire", "sms-1", "--json")
        assert (nobody.code, nobody.out) == (2, "")
        assert "no process of a gateway sms-1 is registered" in nobody.err
