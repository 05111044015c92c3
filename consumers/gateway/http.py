"""The gateway over HTTP: `POST /v1/decisions`, and how it is. Numbers stand in bodies, never in a URL or a log.

A body that asks one question gets one decision, `{"decisions": […]}` gets as many, in order. Errors are problem details
(RFC 9457); of many questions one that cannot be understood spoils none of the others.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import orjson
from prometheus_client import generate_latest
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from consumers.gate import Decision
from consumers.gateway.answers import valid_for_s
from consumers.gateway.gateway import Gateway
from consumers.gateway.metrics import registry
from schemas.envelope import EventId
from schemas.errors import InputError, TimeError
from schemas.times import parse_time

MOST: Final = 10_000
CHUNK: Final = 100
"""After so many of many questions whoever asks one has a turn: a sender waits half a second, if that."""
LARGEST: Final = 4 << 20
PROBLEM: Final = "application/problem+json"


class Asked(BaseModel):
    """A question. `decision_id`: of the decision that is asked about again, before its message is sent.

    `log`: false where nothing is sent on the answer, whatever it is; then it is not put on record.
    """

    model_config = ConfigDict(extra="forbid")

    contact: str | None = None
    number: str | None = None
    channel: str
    purpose: str
    brand: str | None = None
    sender: str | None = None
    at: str | None = None
    region: str | None = None
    jurisdiction: str | None = None
    decision_id: EventId | None = None
    log: bool = True


class Many(BaseModel):
    """Many questions."""

    model_config = ConfigDict(extra="forbid")

    decisions: list[dict[str, Any]] = Field(max_length=MOST)


def application(gateway: Gateway) -> Starlette:
    """All routes of a gateway process."""
    metrics = registry(gateway)

    async def decisions(request: Request) -> Response:
        return await _answered(gateway, await _body(request))

    async def health(_request: Request) -> Response:
        failed = gateway.running.failed
        return _json(503 if failed else 200, {"status": "failed" if failed else "ok", "gateway": gateway.name})

    async def ready(_request: Request) -> Response:
        is_ready = gateway.state == "current" and gateway.running.knows_switch
        return _json(200 if is_ready else 503, {"status": gateway.state, "gateway": gateway.name})

    async def measured(_request: Request) -> Response:
        return Response(generate_latest(metrics), media_type="text/plain; version=0.0.4; charset=utf-8")

    routes = [
        Route("/v1/decisions", decisions, methods=["POST"]),
        Route("/v1/decisions/recheck", decisions, methods=["POST"]),
        Route("/healthz", health), Route("/readyz", ready), Route("/metrics", measured),
    ]  # fmt: skip
    handlers: dict[Any, Callable[[Request, Any], Awaitable[Response]]] = {
        HTTPException: _http_error, InputError: _input_error, Exception: _fault,
    }  # fmt: skip
    return Starlette(routes=routes, exception_handlers=handlers)


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > LARGEST:
            raise HTTPException(413, f"a body of more than {LARGEST:,} bytes; ask in several")
    return bytes(body)


async def _answered(gateway: Gateway, body: bytes) -> Response:
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise InputError("the body is no JSON") from None
    if not isinstance(said, dict):
        raise InputError('the body is no object; ask {…} or {"decisions": [{…}, …]}')
    if "decisions" not in said:
        return _json(200, _one(gateway, said))
    try:
        many = Many.model_validate(said)
    except ValidationError as error:
        raise InputError(_without_input(error)) from None
    answers = []
    for start in range(0, len(many.decisions), CHUNK):
        answers += [_one_of_many(gateway, each) for each in many.decisions[start : start + CHUNK]]
        await asyncio.sleep(0)
    return _json(200, {"decisions": answers})


def _one_of_many(gateway: Gateway, said: dict[str, Any]) -> dict[str, object]:
    try:
        return _one(gateway, said)
    except InputError as error:
        return {"allowed": False, "problem": _problem(400, str(error))}


def _one(gateway: Gateway, said: dict[str, Any]) -> dict[str, object]:
    try:
        asked = Asked.model_validate(said)
    except ValidationError as error:
        raise InputError(_without_input(error)) from None
    contact = asked.contact if asked.contact is not None else asked.number
    if contact is None or (asked.contact is not None and asked.number is not None):
        raise InputError("name the contact, once: as contact or as number")
    decision = gateway.decide(
        contact, channel=asked.channel, purpose=asked.purpose, brand=asked.brand, sender=asked.sender,
        at=_at(asked.at), jurisdiction=asked.jurisdiction or asked.region, rechecks=asked.decision_id,
        log=asked.log,
    )  # fmt: skip
    return _as_json(decision, asked.decision_id)


def _at(text: str | None) -> int | None:
    return None if text is None else parse_time(text)


def _as_json(decision: Decision, rechecks: str | None) -> dict[str, object]:
    said = decision.as_json() | {"valid_for_s": valid_for_s(decision)}
    return said if rechecks is None else said | {"rechecks": rechecks}


def _without_input(error: ValidationError) -> str:
    """What is wrong where; never what stood there, which may be a number."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    return f"{'.'.join(str(step) for step in first['loc'])}: {first['msg']}"


def _json(status: int, document: object) -> Response:
    return Response(orjson.dumps(document), status, media_type="application/json")


def _problem(status: int, detail: str) -> dict[str, object]:
    titles = {400: "The question cannot be answered", 404: "No such page", 405: "No such method", 413: "Too large"}
    title = titles.get(status, "The gateway has a fault")
    return {"type": "about:blank", "title": title, "status": status, "detail": detail}


async def _http_error(_request: Request, error: HTTPException) -> Response:
    return Response(orjson.dumps(_problem(error.status_code, error.detail)), error.status_code, media_type=PROBLEM)


async def _input_error(_request: Request, error: InputError) -> Response:
    return Response(orjson.dumps(_problem(400, str(error))), 400, media_type=PROBLEM)


async def _fault(_request: Request, _error: Exception) -> Response:
    return Response(orjson.dumps(_problem(500, "see the gateway's log")), 500, media_type=PROBLEM)


__all__ = ["TimeError", "application"]
