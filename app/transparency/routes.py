"""The public pages of checkpoints: their history and the public keys, which prove later that a ledger was rewritten.

They need no API key: merchants, auditors and mirrors fetch them. They reveal nothing about a single ledger.
"""

import base64
from typing import Any

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler

from app.core.errors import ApiError, Code, invalid
from app.ledger import checkpoints_repository
from app.web.paging import parse_query
from app.web.rate_limits import RateLimiter, refuse_exceeded
from app.web.row_ids import RowId

BASE_PATH = "/.well-known/swap-pay"
DEFAULT_LIMIT = 100
MAX_LIMIT = 1_000
"""More than the limit of merchants' lists: a mirror catches up on a month in one request."""

PER_MINUTE = 60
"""Requests per IP address and minute."""

CACHE_S = 60


def routes(rate_limiter: RateLimiter) -> list[HTTPRouteHandler]:
    """The handlers to mount at the root of the app."""

    @get(f"{BASE_PATH}/checkpoints", include_in_schema=False)
    async def history(request: Request[Any, Any, Any]) -> Response[dict[str, Any]]:
        await _count(request, rate_limiter)
        parameters = parse_query(request.scope["query_string"], ("limit", "cursor"))
        limit = _whole(parameters, "limit", MAX_LIMIT) or DEFAULT_LIMIT
        page = await checkpoints_repository.before(_whole(parameters, "cursor", 10**18), limit)
        more = len(page) == limit and page[-1].number > 1
        body = {"data": [c.published() for c in page], "next_cursor": str(page[-1].number) if more else None}
        return Response(body, headers={"Cache-Control": f"public, max-age={CACHE_S}"})

    @get(BASE_PATH + "/checkpoints/{number:int}", include_in_schema=False)
    async def one(request: Request[Any, Any, Any], number: RowId) -> Response[dict[str, Any]]:
        await _count(request, rate_limiter)
        checkpoint = await checkpoints_repository.get(number) if 0 < number < 2**63 else None
        if checkpoint is None:
            raise ApiError(Code.NOT_FOUND, "there is no such checkpoint")
        return Response(checkpoint.published(), headers={"Cache-Control": "public, max-age=86400, immutable"})

    @get(f"{BASE_PATH}/checkpoint-keys", include_in_schema=False)
    async def keys(request: Request[Any, Any, Any]) -> Response[dict[str, Any]]:
        await _count(request, rate_limiter)
        known = [
            {"id": key_id, "algorithm": "Ed25519", "public_key": base64.b64encode(key).decode()}
            for key_id, key in (await checkpoints_repository.public_keys()).items()
        ]
        return Response({"keys": known}, headers={"Cache-Control": f"public, max-age={CACHE_S}"})

    return [history, one, keys]


async def _count(request: Request[Any, Any, Any], rate_limiter: RateLimiter) -> None:
    address = request.scope["state"]["client_address"]
    window = await rate_limiter.take(f"checkpoints:{address}", PER_MINUTE)
    refuse_exceeded(window, Code.IP_RATE_LIMITED, "this address")


def _whole(parameters: dict[str, str], name: str, most: int) -> int | None:
    text = parameters.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 19 and 1 <= int(text) <= most):
        raise invalid(name, f"must be a whole number from 1 to {most}")
    return int(text)
