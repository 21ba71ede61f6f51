"""Sends requests, again where that is safe and of use, and turns answers into values."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import httpx

from swap_pay import _answers, _deprecations
from swap_pay._failures import NoAnswer, ResourceNotFound, SwapPayError
from swap_pay._retries import Retries, is_passing, may_repeat
from swap_pay._waiting import sleep_async

T = TypeVar("T")


class AsyncTransport:
    """One per client."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        *,
        base_url: str,
        headers: Mapping[str, str],
        timeout: httpx.Timeout,
        retries: Retries,
    ) -> None:
        self._http = http
        self._base_url = base_url
        self._headers = dict(headers)
        self._timeout = timeout
        self._retries = retries

    async def call(self, request: Mapping[str, Any], read: Callable[[Any], T]) -> T:
        """Send a request, the same one each time, and read its answer. Raises SwapPayError."""
        began_s, attempt, repeatable = time.monotonic(), 0, may_repeat(request)
        while True:
            attempt += 1
            try:
                return await self._try(request, read)
            except SwapPayError as error:
                if attempt > 1 and request["method"] == "DELETE" and isinstance(error, ResourceNotFound):
                    return read(None)  # an attempt before this one has deleted it
                passing = isinstance(error, NoAnswer) or is_passing(error.status or 0, error.code)
                pause_s = self._retries.pause_s(attempt, time.monotonic() - began_s, error.retry_after_s)
                if not (repeatable and passing) or pause_s is None:
                    raise
            await sleep_async(pause_s)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _try(self, request: Mapping[str, Any], read: Callable[[Any], T]) -> T:
        try:
            response = await self._http.request(
                **{
                    **request,
                    "url": self._base_url + request["url"],
                    "headers": {**self._headers, **request.get("headers", {})},
                },
                timeout=self._timeout,
                follow_redirects=False,
            )
        except httpx.RequestError as error:
            problem = f"{request['method']} {self._base_url}{request['url']}: {error or type(error).__name__}"
            raise NoAnswer(problem) from error
        _deprecations.tell(request["method"], request["url"], response.headers)
        if not response.is_success:
            raise _answers.error_of(response)
        return _answers.value_of(response, read)
