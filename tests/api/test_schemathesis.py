"""Schemathesis against the live document on a real server: whatever is sent, the answer is one that is documented.

Every operation is met, with each of its fields left out, at its bounds and beyond them, and with a few inputs by
chance; `SOAK=1` sends hundreds of those. The seed is printed when a run fails; `SCHEMATHESIS_SEED=…` repeats it.
"""

import asyncio
import inspect
import json
import os
import random
import re
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from app.api_keys.scopes import Scope, granted
from app.core import database
from tests.api.conftest import NewKey
from tests.api.serving import Served

SOAK = bool(os.environ.get("SOAK"))
SEED = int(os.environ.get("SCHEMATHESIS_SEED") or random.SystemRandom().randrange(2**32))
TIMEOUT_S = 3_600 if SOAK else 300


def documented_code(ctx: Any, response: Any, case: Any) -> None:
    """The code of an error is one that the operation names for its status."""
    if response.status_code >= 400 and response.status_code != 405:
        named = case.operation.definition.raw["x-error-codes"].get(str(response.status_code), [])
        code = response.json()["error"]["code"]
        if code not in named:
            raise AssertionError(f"{code} is not among {named}")


CONFORMANCE = [
    documented_code,
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]

ACCEPTABLE_FIELDS: dict[str, Any] = {
    "amount": {"type": "string", "pattern": r"^[1-9][0-9]{0,8}(\.[0-9]{1,6})?$"},
    "currency": {"type": "string", "enum": ["USDT", "ETH"]},
    "chain": {"type": "string", "enum": ["ethereum"]},
    "pay_in_assets": {"type": "null"},  # belongs to a price
    "customer_email": {"anyOf": [{"type": "string", "pattern": r"^[a-z]{1,9}@[a-z]{1,9}\.example$"}, {"type": "null"}]},
    "success_url": {
        "type": "string",
        "pattern": r"^https://[a-z]{1,20}\.example(:[1-9][0-9]{1,3})?(/[a-z0-9/?&=.-]{0,99})?$",
    },
    "fail_url": {"anyOf": [{"type": "string", "pattern": r"^https://[a-z]{1,20}\.example$"}, {"type": "null"}]},
    "order_id": {"type": "null"},  # the generator repeats "0", and an order id can be open once
    "webhook_url": {"type": "null"},  # its name would have to be one that resolves
    "metadata": {"type": "object", "maxProperties": 8, "additionalProperties": {"type": ["integer", "null"]}},
    # JSON Schema counts 60.0 among the integers; we want digits alone.
    "expires_in": {"type": "integer", "enum": [10, 60, 10_080]},
}
"""The fields of an invoice that this deployment and merchant take, where the document can't know them."""

HOOKS = f"""
import uuid
from typing import Any
import schemathesis

{inspect.getsource(documented_code)}
schemathesis.check(documented_code)

@schemathesis.hook
def before_call(context, case, kwargs):
    for name in [name for name in case.headers or {{}} if name.lower() == "host"]:
        del case.headers[name]
    if FRESH_KEYS and "Idempotency-Key" in (case.headers or {{}}):
        case.headers["Idempotency-Key"] = str(uuid.uuid4())
"""
"""The generator invents headers, a wrong Host among them, which never reaches the API. It repeats few idempotency keys;
with another body each would be a 422: FRESH_KEYS. The check is one of "all"."""

DEPENDS = {
    *("createPayout", "createRefund", "createPaymentLink", "updatePaymentLink"),
    *("createWebhook", "updateWebhook", "rotateWebhookSecret", "replayWebhook"),
}
"""Whether these are accepted depends on what the merchant has, on names that resolve, or on formats of moments and
whole numbers that JSON Schema takes more widely than we do. tests/api/test_openapi.py sends their examples."""

ACCEPTABLE_PARAMETERS: dict[str, Any] = {
    "listRates.currency": {"type": "string", "enum": ["EUR", "USD"]},
    "txid": {"type": "string", "pattern": "^0x[0-9a-f]{64}$"},  # of the network that there is
    "currency": {"type": "string", "enum": ["USDT", "ETH"]},
    "asset": {"type": "string", "enum": ["USDT", "ETH"]},
    "chain": {"type": "string", "enum": ["ethereum"]},
    "after_seq": {"type": "integer", "minimum": 0, "maximum": 10**9},
    # An offset may lead out of the calendar, and is refused then: test_raw_requests.py.
    "created_from": {"type": "string", "format": "date-time", "pattern": "^[1-8][0-9]{3}-"},
    "created_to": {"type": "string", "format": "date-time", "pattern": "^[1-8][0-9]{3}-"},
}


@pytest.mark.timeout(TIMEOUT_S + 30)
async def test_whatever_is_sent_the_answer_is_documented(server: Served, new_key: NewKey, tmp_path: Path) -> None:
    await run(
        server,
        await new_key(),
        tmp_path,
        *("--mode", "all", "--max-examples", "5000" if SOAK else "4"),
        # Rules that a schema can't express are refused with 400: which assets the merchant takes, how many places
        # an asset has, the bounds of amounts. The next test checks acceptance where those are given.
        *("--exclude-checks", "positive_data_acceptance"),
    )


@pytest.mark.timeout(TIMEOUT_S + 30)
async def test_what_the_document_allows_is_accepted(server: Served, new_key: NewKey, tmp_path: Path) -> None:
    document = httpx.get(f"{server.url}/api/v1/openapi.json", trust_env=False).json()
    request = document["components"]["schemas"]["InvoiceRequest"]
    request["properties"] |= ACCEPTABLE_FIELDS
    request["required"].append("chain")  # an asset is one of a chain
    for methods in document["paths"].values():
        for method in [method for method, operation in methods.items() if operation["operationId"] in DEPENDS]:
            del methods[method]
        for operation in methods.values():
            # A cursor is one that was given out.
            operation["parameters"] = [each for each in operation["parameters"] if each["name"] != "cursor"]
            for parameter in operation["parameters"]:
                of_operation = f"{operation['operationId']}.{parameter['name']}"
                for name in (of_operation, parameter["name"]):
                    if name in ACCEPTABLE_PARAMETERS:
                        parameter["schema"] = ACCEPTABLE_PARAMETERS[name]
                        break
    narrowed = tmp_path / "narrowed.json"
    narrowed.write_text(json.dumps(document))
    # The generator uses an Idempotency-Key twice now and then, with another body: that is a 422. Transactions are
    # looked up so often a minute, then it is a 429.
    (tmp_path / "schemathesis.toml").write_text(
        '[checks.positive_data_acceptance]\nexpected-statuses = ["2xx", "404", "409", "422", "429"]\n'
        # An invoice has the most fields.
        '[[operations]]\ninclude-operation-id = "createInvoice"\n'
        f"generation.max-examples = {2_000 if SOAK else 40}\n"
    )
    await run(
        server,
        await new_key(),
        tmp_path,
        *("--mode", "positive", "--max-examples", "2000" if SOAK else "6", "--phases", "examples,fuzzing"),
        *("--generation-allow-x00", "false"),  # NUL is refused in every text; see tests/web/test_errors.py
        *("--generation-with-security-parameters", "false"),  # made-up keys beside the true one are refused
        document=str(narrowed),
        fresh_keys=True,
    )
    made = await database.fetch_value("SELECT count(*) FROM invoices")
    assert made >= 20, "too few invoices were accepted"


@pytest.mark.timeout(TIMEOUT_S + 30)
async def test_a_key_of_a_single_scope_gets_documented_answers(server: Served, new_key: NewKey, tmp_path: Path) -> None:
    keys = {scope: await new_key(scope) for scope in Scope}
    session = requests.Session()
    session.trust_env = False
    document = session.get(f"{server.url}/api/v1/openapi.json").json()
    for scope, key in keys.items():
        may = granted((scope.value,))
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                url = server.url + re.sub(r"\{\w+\}", "INV-0000000000", path)
                answer = session.request(method, url, headers={"Authorization": f"Bearer {key}"})
                refused = answer.status_code == 403 and answer.json()["error"]["code"] == "MISSING_SCOPE"
                needed = re.search(r"Needs the scope `([a-z.]+)`", operation["description"])
                assert refused == (needed is not None and needed[1] not in may), (scope, operation["operationId"])

    for result in schemathesis.openapi.from_dict(document).get_all_operations():
        assert isinstance(result, Ok)
        operation = result.ok()
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            # Each on its own: a negative case that can't be made must not throw the others' away.
            @seed(SEED)
            @settings(
                max_examples=500 if SOAK else 2, deadline=None, database=None, suppress_health_check=list(HealthCheck)
            )
            @given(case=operation.as_strategy(generation_mode=mode), key=st.sampled_from(list(keys.values())))
            def send(case: schemathesis.Case[Any], key: str) -> None:
                for name in [name for name in case.headers or {} if name.lower() == "host"]:
                    del case.headers[name]  # see HOOKS
                headers = {"Authorization": f"Bearer {key}"}
                case.call_and_validate(base_url=server.url, headers=headers, session=session, checks=CONFORMANCE)

            send()
    session.close()
    assert server.faults() == []


async def run(
    server: Served, key: str, log_dir: Path, *options: str, document: str | None = None, fresh_keys: bool = False
) -> None:
    """A run with every check; fails with what Schemathesis printed, or if the server logged a fault."""
    hooks = log_dir / "hooks.py"
    hooks.write_text(f"FRESH_KEYS = {fresh_keys}\n{HOOKS}")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()"),
        *("run", document or f"{server.url}/api/v1/openapi.json", "--url", server.url),
        *("--checks", "all", "--seed", str(SEED), "--header", f"Authorization: Bearer {key}"),
        *("--continue-on-failure", "--no-color", "--warnings", "off", "--request-timeout", "10", *options),
        cwd=log_dir,
        env={**os.environ, "NO_PROXY": "127.0.0.1", "SCHEMATHESIS_HOOKS": str(hooks)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(TIMEOUT_S):
            printed = (await process.communicate())[0].decode()
    finally:
        if process.returncode is None:
            process.kill()
    print(printed)
    assert process.returncode == 0, f"SCHEMATHESIS_SEED={SEED}"
    assert server.faults() == []
