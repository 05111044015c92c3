"""Ten thousand questions in one request keep nobody waiting who asks one beside them."""

import asyncio
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import orjson

from consumers.gateway import Gateway
from consumers.gateway.http import MOST, application
from consumers.gateway.ports import Ports
from tests.consumers.asking import NUMBER, REFERENCES
from tests.consumers.gateway.test_decisions_are_not_lost_at_the_end import away

QUESTION = {"contact": NUMBER, "channel": "sms", "purpose": "marketing.offers"}
POST = {"type": "http", "method": "POST", "path": "/v1/decisions", "headers": [], "query_string": b""}


async def asked(gateway: Gateway, document: object) -> Any:  # noqa: ANN401
    """What is answered to a request, as the server that was not started would pass both on."""
    found: list[bytes] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": orjson.dumps(document), "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        found.append(message.get("body", b""))

    await application(gateway)(dict(POST), receive, send)
    return orjson.loads(b"".join(found))


def test_one_that_is_asked_after_ten_thousand_is_answered_before_them(tmp_path: Path) -> None:
    ports = Ports(feed=away, ends=away, receipts=away, appender=away, rejected=away)
    gateway = Gateway("sms-1", ports, REFERENCES, tmp_path / "sms-1.snapshot")  # it says no to everything
    answered: list[str] = []

    async def ask(name: str, document: object) -> Any:  # noqa: ANN401
        answer = await asked(gateway, document)
        answered.append(name)
        return answer

    async def both() -> Any:  # noqa: ANN401
        return await asyncio.gather(ask("many", {"decisions": [QUESTION] * MOST}), ask("one", QUESTION))

    many, one = asyncio.run(both())
    gateway.stop()
    assert answered == ["one", "many"]
    assert len(many["decisions"]) == MOST
    assert {said["reason"] for said in (*many["decisions"], one)} == {"stale"}
