"""What can happen to the processes of a ledger at any time. Each mends in the end what it broke."""

import resource
import signal
import sys
from collections.abc import Callable
from random import Random

from stack.processes import wait_until
from tests.kafka.stage import READY_S, Part
from tests.kafka.story import CHANNEL, NEVER_NEEDS, NUMBERS, STALE, Scene
from tests.kafka.strained import LEASE_S, Strained

Fault = Callable[[Scene, Random], None]
HOUR_S = 3_600
ENDS_S = 60.0
LITTLE = 20_000


def kill_worker(scene: Scene, rng: Random) -> None:
    _killed(scene, rng, rng.choice(scene.stage.workers))


def kill_gateway(scene: Scene, rng: Random) -> None:
    _killed(scene, rng, rng.choice(scene.stage.gateways))


def _killed(scene: Scene, rng: Random, part: Part) -> None:
    part.process.kill()
    scene.over.wait(rng.uniform(0, 2))
    part.start()


def end_worker(scene: Scene, rng: Random) -> None:
    part = rng.choice(scene.stage.workers)
    part.process.stop()
    part.start()


def end_gateway(scene: Scene, rng: Random) -> None:
    part = rng.choice(scene.stage.gateways)
    part.process.stop()
    part.start()


def freeze_worker(scene: Scene, rng: Random) -> None:
    """For longer than its session, sometimes: the others take over, and it comes back to what is theirs."""
    part = rng.choice(scene.stage.workers)
    _frozen(scene, part, rng.uniform(1, 15))
    scene.over.wait(1)
    if part.process.code is not None:  # it may give up, to be started again by whoever looks after it
        part.start()


def freeze_gateway(scene: Scene, rng: Random) -> None:
    _frozen(scene, rng.choice(scene.stage.gateways), rng.uniform(1, 8))


def _frozen(scene: Scene, part: Part, seconds: float) -> None:
    part.process.signal(signal.SIGSTOP)
    scene.over.wait(seconds)
    part.process.signal(signal.SIGCONT)


def cut_off_gateway(scene: Scene, rng: Random) -> None:
    """Its lease runs out: it says no to what it cannot know, lets codes pass, and comes back without a restart."""
    stage = scene.stage
    assert isinstance(stage, Strained), "only there a line can be cut"
    part = stage.gateways[-1]
    part.ready()
    process = part.process
    with stage.relay.cut():
        process.wait_until(lambda: _reason(part, "marketing.offers") == STALE, 2 * LEASE_S, "its lease runs out")
        assert _reason(part, NEVER_NEEDS) == "never_needs_consent"
        scene.over.wait(rng.uniform(0, 20))
        assert _reason(part, "service.notices") == STALE
    process.wait_until(lambda: _reason(part, "marketing.offers") not in (None, STALE), READY_S, "it is back")


def _reason(part: Part, purpose: str) -> str | None:
    said = part.decide(contact=NUMBERS[0], channel=CHANNEL, purpose=purpose)
    return said and str(said["reason"])


def kill_broker(scene: Scene, rng: Random) -> None:
    scene.stage.kafka.kill()
    scene.over.wait(rng.uniform(0, 4))
    scene.stage.kafka.start()


def end_broker(scene: Scene, rng: Random) -> None:
    scene.stage.kafka.stop()
    scene.over.wait(rng.uniform(0, 4))
    scene.stage.kafka.start()


def freeze_broker(scene: Scene, rng: Random) -> None:
    kafka = scene.stage.kafka
    kafka.process.signal(signal.SIGSTOP)
    scene.over.wait(rng.uniform(1, 6))
    kafka.process.signal(signal.SIGCONT)


def fill_disk(scene: Scene, rng: Random) -> None:
    """No file of the broker grows beyond what the ledger's largest has, or hardly: some entry finds room in part.

    A broker with one disk ends when it cannot write there; who looks after it makes room and starts it.
    """
    kafka, name = scene.stage.kafka, scene.stage.settings.broker().topics.ledger
    room = max(file.stat().st_size for file in (kafka.folder / "data").glob(f"{name}-*/*.log")) + rng.randrange(LITTLE)
    resource.prlimit(kafka.process.pid, resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
    try:
        wait_until(lambda: kafka.process.code is not None, ENDS_S, "the broker ends for want of room")
    finally:
        kafka.kill()
        kafka.start()


def move_clock_of_recorder(scene: Scene, rng: Random) -> None:
    """One of them is an hour behind or ahead, until it is this one's turn again."""
    place = rng.randrange(len(scene.off_ms))
    scene.off_ms[place] = 0 if scene.off_ms[place] else rng.choice((-HOUR_S, HOUR_S)) * 1_000


def move_clock_of_worker(scene: Scene, rng: Random) -> None:
    _moved(rng.choice(scene.stage.workers), rng)


def move_clock_of_gateway(scene: Scene, rng: Random) -> None:
    _moved(rng.choice(scene.stage.gateways), rng)


def _moved(part: Part, rng: Random) -> None:
    """Until something else starts it again, on a machine whose clock is right."""
    part.process.stop()
    part.start((sys.executable, "-m", "tests.kafka.off_clock", str(rng.choice((-HOUR_S, HOUR_S)))))


FAULTS: dict[str, Fault] = {
    each.__name__: each
    for each in (
        kill_worker, end_worker, freeze_worker, move_clock_of_worker, kill_gateway, end_gateway, freeze_gateway,
        cut_off_gateway, move_clock_of_gateway, kill_broker, end_broker, freeze_broker, fill_disk,
        move_clock_of_recorder,
    )
}  # fmt: skip
