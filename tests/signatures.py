"""Litestar's reading of signatures, once for each function instead of once for each app that a test makes, and what it
makes of them: an app has 670 handlers."""

from collections.abc import Callable
from typing import Any

import pytest
from litestar._kwargs import KwargsModel
from litestar._signature import SignatureModel
from litestar.utils.signature import ParsedSignature


def read_once(patch: pytest.MonkeyPatch) -> None:
    """Until `patch` ends, each signature is read once."""
    signatures = SignaturesReadOnce()
    patch.setattr(ParsedSignature, "from_fn", signatures)
    patch.setattr(SignatureModel, "create", SignatureModelsMadeOnce(signatures))
    patch.setattr(KwargsModel, "create_for_signature_model", ArgumentsFoundOnce(signatures))


class SignaturesReadOnce:
    """In the place of `ParsedSignature.from_fn`.

    A handler may be a function within a function, made anew for each app: it is the same one if its code, its defaults
    and its annotations are equal. One that can't be compared is read each time.
    """

    def __init__(self) -> None:
        self._read: Callable[[Any, dict[str, Any]], ParsedSignature] = ParsedSignature.from_fn
        self._known: dict[object, ParsedSignature] = {}
        self._ids: set[int] = set()

    def has(self, signature: ParsedSignature) -> bool:
        """Whether this object stands for every function that is equal to its own, for as long as the process lives."""
        return id(signature) in self._ids

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
            self._ids.add(id(known))
        return known


class SignatureModelsMadeOnce:
    """In the place of `SignatureModel.create`: the class by which a handler's arguments are checked."""

    def __init__(self, signatures: SignaturesReadOnce) -> None:
        self._make: Callable[..., type[SignatureModel]] = SignatureModel.create
        self._signatures = signatures
        self._known: dict[object, type[SignatureModel]] = {}

    def __call__(
        self,
        dependency_name_set: set[str],
        fn: Any,
        parsed_signature: ParsedSignature,
        type_decoders: Any,
        data_dto: Any = None,
    ) -> type[SignatureModel]:
        decoders = tuple(type_decoders or ())
        key = (id(parsed_signature), frozenset(dependency_name_set), decoders, data_dto)
        model = self._known.get(key)
        if model is None:
            model = self._make(dependency_name_set, fn, parsed_signature, type_decoders, data_dto)
            if self._signatures.has(parsed_signature):
                self._known[key] = model
        return model


class ArgumentsFoundOnce:
    """In the place of `KwargsModel.create_for_signature_model`: where a handler's arguments are in a request.

    Where one of them is made by a dependency, that is of one app, and so is the answer.
    """

    def __init__(self, signatures: SignaturesReadOnce) -> None:
        self._find: Callable[..., KwargsModel] = KwargsModel.create_for_signature_model
        self._signatures = signatures
        self._known: dict[object, KwargsModel] = {}

    def __call__(
        self,
        signature_model: type[SignatureModel],
        parsed_signature: ParsedSignature,
        dependencies: dict[str, Any],
        path_parameters: set[str],
        layered_parameters: dict[str, Any],
        ctx: Any = None,
    ) -> KwargsModel:
        key = (signature_model, id(parsed_signature), frozenset(dependencies), frozenset(path_parameters))
        known = None if layered_parameters else self._known.get(key)
        if known is None:
            given = (parsed_signature, dependencies, path_parameters, layered_parameters, ctx)
            known = self._find(signature_model, *given)
            if not layered_parameters and not known.dependency_batches and self._signatures.has(parsed_signature):
                self._known[key] = known
        return known
