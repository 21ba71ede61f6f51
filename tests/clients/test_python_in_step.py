"""The Python client has every operation, parameter and error of the API, and was generated from this document."""

import ast
import dataclasses
import importlib
import inspect
import json
import re
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import swap_pay
from swap_pay import Event, errors, models
from swap_pay._generated import models as generated

from app.core.errors import STATUS, Code
from app.sandbox.home import ROOT
from tests.openapi_document import openapi_document

CLIENT = ROOT / "clients" / "python"
PACKAGE = CLIENT / "src" / "swap_pay"
NOT_ASKED_FOR = {"x_request_id", "body"}
"""An id of the caller's own that is not offered, and what is checked by its own fields."""


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return openapi_document()


@pytest.fixture(scope="module")
def digests() -> ModuleType:
    """The generator's own module about what it was made from."""
    folder = str(CLIENT / "generator")
    sys.path.insert(0, folder)
    try:
        return importlib.import_module("digests")
    finally:
        sys.path.remove(folder)


def test_the_client_was_generated_from_this_document(document: dict[str, Any], digests: ModuleType) -> None:
    made_from = json.loads((PACKAGE / "_generated" / "made_from.json").read_text())
    assert digests.of_document(document) == made_from["document"], "the API has changed: make clients"
    assert digests.of_files(PACKAGE) == made_from["files"], (
        "_async, or a file that is generated, has changed: make clients"
    )


def test_the_digest_is_of_the_shape_and_not_of_the_words(document: dict[str, Any], digests: ModuleType) -> None:
    before = digests.of_document(document)
    schemas = document["components"]["schemas"]
    schemas["Invoice"]["description"] = "Another word."
    document["paths"]["/api/v1/merchant/invoices"]["post"]["summary"] = "Another word."
    assert digests.of_document(document) == before
    # A field that happens to be called description is a field.
    del schemas["InvoiceRequest"]["properties"]["description"]
    assert digests.of_document(document) != before


def test_every_operation_and_parameter_can_be_reached() -> None:
    operations = {
        operation["operationId"] for methods in openapi_document()["paths"].values() for operation in methods.values()
    }
    named = {module: importlib.import_module(f"swap_pay._generated.api.{module}") for module in generated_modules()}
    assert {camel(module.rpartition(".")[2]) for module in named} == operations
    used: dict[str, set[str]] = {}
    values: dict[str, set[str]] = {}
    for call in calls():
        keywords = {keyword.arg for keyword in call.keywords if keyword.arg}
        if (
            isinstance(call.func, ast.Attribute)
            and call.func.attr == "request"
            and isinstance(call.func.value, ast.Name)
        ):
            operation = call.func.value.id
            module = next(module for name, module in named.items() if name.endswith(f".{operation}"))
            positional = list(inspect.signature(module.request).parameters)[: len(call.args)]
            used.setdefault(operation, set()).update(keywords, positional)
        elif isinstance(call.func, ast.Name) and call.func.id.endswith(("Request", "Change")):
            values.setdefault(call.func.id, set()).update(keywords)
    for name, module in named.items():
        operation = name.rpartition(".")[2]
        wanted = set(inspect.signature(module.request).parameters) - NOT_ASKED_FOR
        assert used.get(operation, set()) - NOT_ASKED_FOR == wanted, operation
    for name, keywords in values.items():
        fields = {field.name for field in dataclasses.fields(getattr(generated, name)) if field.init}
        assert keywords == fields, name
    assert len(values) >= 6


def test_both_clients_have_the_same_methods_with_the_same_parameters() -> None:
    one, other = swap_pay.SwapPay("https://x.test", "k"), swap_pay.AsyncSwapPay("https://x.test", "k")
    both = {name for name in vars(one) if not name.startswith("_")}
    assert both == {name for name in vars(other) if not name.startswith("_")}
    for name in both - {"base_url"}:
        methods = {method for method in dir(getattr(one, name)) if not method.startswith("_")}
        assert methods == {method for method in dir(getattr(other, name)) if not method.startswith("_")}
        for method in methods:
            sync, asynchronous = getattr(getattr(one, name), method), getattr(getattr(other, name), method)
            if inspect.ismethod(sync):
                assert inspect.signature(sync).parameters == inspect.signature(asynchronous).parameters, method
                assert inspect.getdoc(sync), method


def test_every_error_code_has_its_class_below_that_of_its_status(document: dict[str, Any]) -> None:
    named = {
        code
        for methods in document["paths"].values()
        for operation in methods.values()
        for codes in operation["x-error-codes"].values()
        for code in codes
    }
    assert len(named) > 40
    for code in named:
        status = STATUS[Code(code)]
        kind = getattr(errors, camel(code.lower(), first=True))
        assert issubclass(kind, errors.SwapPayError)
        assert issubclass(kind, errors.ServerError if status >= 500 else errors.ClientError), code
        assert inspect.getdoc(kind), code
    assert {"Invoice", "InvoiceStatus", "Payout", "Refund"} <= set(models.__all__)


def test_every_example_of_the_document_is_read(document: dict[str, Any]) -> None:
    modules = {camel(name.rpartition(".")[2]): name for name in generated_modules()}
    for methods in document["paths"].values():
        for operation in methods.values():
            answer = importlib.import_module(f"swap_pay._generated.api.{modules[operation['operationId']]}").answer
            success = next(response for status, response in operation["responses"].items() if status < "300")
            if "content" not in success:
                assert answer(None) is None
                continue
            example = success["content"]["application/json"]["example"]
            assert normal(answer(example).to_dict()) == normal(example), operation["operationId"]
    assert len(document["webhooks"]) > 20
    for type, operations in document["webhooks"].items():
        event = Event.from_dict(operations["post"]["requestBody"]["content"]["application/json"]["example"])
        about = {"invoice": event.invoice, "payout": event.payout, "refund": event.refund}.get(type.partition(".")[0])
        assert (event.type, about is None) == (type, type == "webhook.test")


def normal(value: Any) -> Any:
    """JSON with each time in one form."""
    if isinstance(value, dict):
        return {key: normal(each) for key, each in value.items()}
    if isinstance(value, list):
        return [normal(each) for each in value]
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|\+00:00)", value):
        return datetime.fromisoformat(value)
    return value


def generated_modules() -> Iterator[str]:
    for path in (PACKAGE / "_generated" / "api").glob("*/*.py"):
        if path.name != "__init__.py":
            yield f"{path.parent.name}.{path.stem}"


def calls() -> Iterator[ast.Call]:
    """Every call in the hand-written layer."""
    for path in sorted((PACKAGE / "_async").glob("*.py")):
        yield from (node for node in ast.walk(ast.parse(Path(path).read_text())) if isinstance(node, ast.Call))


def camel(name: str, *, first: bool = False) -> str:
    """`create_invoice` as `createInvoice`, with `first` as `CreateInvoice`."""
    start, *rest = name.split("_")
    return (start.capitalize() if first else start) + "".join(word.capitalize() for word in rest)
