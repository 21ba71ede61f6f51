"""A request of the API that creates: its Idempotency-Key, and its answer (app/web/idempotency.py)."""

import re
from typing import Any

from litestar import Request, Response

from app.core.errors import ApiError, Code, invalid
from app.core.settings import DataKeys
from app.web.idempotency import Create, create_once, replay_of

KEY_PATTERN = r"^[\x20-\x7e]{1,128}$"
"""Contract, section 2; the OpenAPI document has it too."""

_KEY = re.compile(KEY_PATTERN.removesuffix("$") + r"\Z", re.ASCII)


class Once:
    """One creation request: create, or return the stored answer."""

    def __init__(
        self,
        request: Request[Any, Any, Any],
        *,
        merchant_id: str,
        mode: str,
        endpoint: str,
        body: object,
        sealed_with: DataKeys | None = None,
    ) -> None:
        """Raises IDEMPOTENCY_REQUIRED or INVALID_INPUT for the header.

        `endpoint` names the operation and `body` is all that it depends on, path parameters included. The same
        key of another merchant, mode or endpoint is another key. An answer that holds a secret is kept
        `sealed_with` the data keys.
        """
        self._replay = replay_of(
            _key(request), merchant_id=merchant_id, mode=mode, endpoint=endpoint, body=body, sealed_with=sealed_with
        )

    async def answer(self, create: Create) -> Response[bytes]:
        """201 with the new resource, or the stored answer with `Idempotent-Replayed: true`.

        Raises IDEMPOTENCY_KEY_REUSED_DIFFERENT_BODY, IDEMPOTENCY_IN_PROGRESS, and what `create` raises.
        """
        made = await create_once(self._replay, create)
        return _answer(made.status, made.body, {"Idempotent-Replayed": "true"} if made.is_replay else None)


def _key(request: Request[Any, Any, Any]) -> str:
    given = [value for name, value in request.scope["headers"] if name == b"idempotency-key"]
    if not given or not given[0]:
        raise ApiError(Code.IDEMPOTENCY_REQUIRED, "Idempotency-Key: the header is required")
    if len(given) > 1:
        raise invalid("Idempotency-Key", "is given twice")
    key = given[0].decode("latin-1")
    if not _KEY.fullmatch(key):
        raise invalid("Idempotency-Key", "must be 1 to 128 printable ASCII characters")
    return key


def _answer(status: int, body: bytes, headers: dict[str, str] | None = None) -> Response[bytes]:
    return Response(body, status_code=status, media_type="application/json", headers=headers)
