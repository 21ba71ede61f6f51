"""`GET /ledger/proof`, and the public checkpoints and keys."""

import base64
import json
import os
from itertools import pairwise

import httpx
import pytest

from app.api_keys.scopes import Scope
from app.core import clock, database
from app.core.settings import CheckpointKeys
from app.ledger import checkpoints, offline, repository, service, verify
from app.ledger.hashchain import ChainId, Reference
from app.ledger.service import Posting
from tests.api.conftest import Integrator, NewIntegrator

KEYS = CheckpointKeys({"c1": os.urandom(32)})
PUBLISHED = "/.well-known/swap-pay"


async def book(owner: str, fact: str) -> ChainId:
    chain = ChainId(owner=owner, network="ethereum:test", asset="USDT")
    async with database.transaction():
        await service.post([Posting(chain, "invoice_credit", 500, 0, Reference("deposit", fact))], clock.now())
    return chain


async def test_a_merchant_proves_its_ledger_with_public_data(client: httpx.AsyncClient, integrator: Integrator) -> None:
    chain = await book(integrator.merchant_id, "DEP-1")
    await book("platform:fees", "DEP-1")
    await checkpoints.create(KEYS, clock.now())
    await book(integrator.merchant_id, "DEP-2")

    answer = await integrator.get("/ledger/proof", asset="USDT", chain="ethereum")
    assert answer.status_code == 200
    published = (await client.get(f"{PUBLISHED}/checkpoint-keys")).json()
    trusted = {key["id"]: base64.b64decode(key["public_key"]) for key in published["keys"]}
    head = await repository.head(chain)
    assert head is not None
    lines = [line async for line in verify.export(head)]
    verification = offline.verify_export_with_proof(lines, answer.json(), trusted)
    assert (verification.fault, verification.seq) == (None, 2)
    one = (await client.get(f"{PUBLISHED}/checkpoints/1")).json()
    assert one["hash"] == answer.json()["hash"]


async def test_the_history_is_public_and_each_names_the_previous_one(client: httpx.AsyncClient) -> None:
    for _ in range(5):
        await checkpoints.create(KEYS, clock.now())
    first = (await client.get(f"{PUBLISHED}/checkpoints", params={"limit": 3})).json()
    rest = (await client.get(f"{PUBLISHED}/checkpoints", params={"cursor": first["next_cursor"]})).json()
    assert rest["next_cursor"] is None
    history = first["data"] + rest["data"]
    assert [entry["checkpoint"]["number"] for entry in history] == [5, 4, 3, 2, 1]
    for newer, older in pairwise(history):
        assert newer["checkpoint"]["previous"] == older["hash"]
    assert history[-1]["checkpoint"]["previous"] == "0" * 64


async def test_another_merchants_ledger_cant_be_read(new_integrator: NewIntegrator) -> None:
    mine, other = await new_integrator(), await new_integrator()
    await book(mine.merchant_id, "DEP-1")
    await checkpoints.create(KEYS, clock.now())
    answer = await other.get("/ledger/proof", asset="USDT", chain="ethereum")
    assert answer.status_code == 404
    assert mine.merchant_id not in json.dumps(
        (await mine.get("/ledger/proof", asset="USDT", chain="ethereum")).json()["path"]
    )


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"asset": "USDT"}, 400),
        ({"asset": "USDT", "chain": "ethereum", "checkpoint": "x"}, 400),
        ({"asset": "USDT", "chain": "ethereum", "checkpoint": "9" * 19}, 400),
        ({"asset": "USDT", "chain": "ethereum", "checkpoint": "7"}, 404),
        ({"asset": "USDT", "chain": "ethereum", "seq": "1"}, 400),
    ],
)
async def test_wrong_parameters_of_a_proof_are_refused(
    integrator: Integrator, query: dict[str, str], status: int
) -> None:
    assert (await integrator.get("/ledger/proof", **query)).status_code == status


async def test_the_proof_needs_the_scope_of_the_balance(new_integrator: NewIntegrator) -> None:
    answer = await (await new_integrator(Scope.INVOICES_READ)).get("/ledger/proof", asset="USDT", chain="ethereum")
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "MISSING_SCOPE")


@pytest.mark.parametrize("path", ["/checkpoints/0", "/checkpoints/99", "/checkpoints/99999999999999999999"])
async def test_an_unknown_checkpoint_is_404(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(PUBLISHED + path)).status_code == 404
