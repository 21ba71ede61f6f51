"""Litestar's reading of signatures, once for each function instead of once for each app that a test makes."""

from collections.abc import Callable
from typing import Any

from litestar.utils.signature import ParsedSignature


class SignaturesReadOnce:
    """In the place of `ParsedSignature.from_fn`.

    A handler may be a function within a function, made anew for each app: it is the same one if its code, its defaults
    and its annotations are equal. One that can't be compared is read each time.
    """

    def __init__(self) -> None:
        self._read: Callable[[Any, dict[str, Any]], ParsedSignature] = ParsedSignature.from_fn
        self._known: dict[object, ParsedSignature] = {}

    def __call__(self, fn: Any, signature_namespace: dict[str, Any]) -> ParsedSignature:
        function = getattr(fn, "__func__", fn)
        try:
            key = (
                function.__code__,
                function.__module__,
                function.__defaults__,
                tuple((function.__kwdefaults__ or {}).items()),
                tuple(function.__annotations__.items()),
                function is fn,  # a method is bound, and its signature lacks `self`
                tuple(signature_namespace.items()),
            )
            known = self._known.get(key)
        except (AttributeError, TypeError):
            return self._read(fn, signature_namespace)
        if known is None:
            known = self._known[key] = self._read(fn, signature_namespace)
        return known
