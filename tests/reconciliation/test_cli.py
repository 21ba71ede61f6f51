"""The operators' commands, and their exit codes for cron and scripts."""

import asyncio
import json
import os
from pathlib import Path

import httpx

from app.asgi import create_app
from app.core import clock
from app.ledger import checkpoints
from app.ledger.hashchain import ChainId
from tests import commands
from tests.factories.tampering import truncate
from tests.reconciliation.test_drift import change_a_balance
from tests.reconciliation.world import NETWORK, World


async def swap_pay(environment: dict[str, str], *arguments: str) -> tuple[int, str]:
    """Run a command. Returns its exit code and output."""
    env = {"PATH": os.environ["PATH"], **environment}
    done = await asyncio.to_thread(commands.run, *arguments, env=env)
    return done.returncode, done.stdout + done.stderr


async def test_reconcile_names_blocks_and_drift(world: World, environment: dict[str, str]) -> None:
    status, printed = await swap_pay(environment, "reconcile", "--full")
    assert status == 0, printed
    assert f"{NETWORK}: at block " in printed
    assert printed.endswith("run 1: clean\n")
    await change_a_balance(world)
    status, printed = await swap_pay(environment, "reconcile")
    assert (status, "DRIFT     balances: " in printed) == (1, True), printed
    status, printed = await swap_pay(environment, "alerts", "list")
    assert "critical" in printed
    number = printed.split()[0]
    assert (await swap_pay(environment, "alerts", "acknowledge", number, "--note", "seen"))[0] == 0
    assert number not in [line.split()[0] for line in (await swap_pay(environment, "alerts", "list"))[1].splitlines()]


async def test_an_export_is_verified_against_a_proof(world: World, environment: dict[str, str], tmp_path: Path) -> None:
    chain = ChainId(owner=world.terms.merchant_id, asset="USDT", network=NETWORK)
    proof = await checkpoints.prove(chain)
    assert proof is not None
    leaf = {"leaf": proof.leaf.fields(), "index": proof.index, "path": list(proof.path)}
    (tmp_path / "proof.json").write_text(json.dumps(leaf | proof.checkpoint.published()))
    names = ("--owner", chain.owner, "--network", NETWORK, "--asset", "USDT")
    await world.pay("USDT", "1.00")
    await world.settle()

    async def verify() -> tuple[int, str]:
        _, export = await swap_pay(environment, "export-ledger", *names)
        (tmp_path / "export.jsonl").write_text(export)
        files = ("--export", str(tmp_path / "export.jsonl"), "--checkpoint", str(tmp_path / "proof.json"))
        return await swap_pay(environment, "verify-ledger", *files)

    status, printed = await verify()
    assert status == 0, printed
    assert (await swap_pay(environment, "verify-ledger"))[0] == 0

    await world.pay("USDT", "1.50")
    await world.settle()
    keys = world.services.settings.checkpoint_keys
    assert keys is not None
    await checkpoints.create(keys, clock.now())
    await truncate(chain, 2)
    status, printed = await swap_pay(environment, "verify-ledger")
    assert (status, "seq 3: missing: checkpoint 2 signed seq 3" in printed) == (1, True), printed


async def test_metrics_show_open_alerts_and_the_age_of_the_last_run(world: World) -> None:
    await change_a_balance(world)
    await world.reconcile()
    app = create_app(world.services.settings)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="https://pay.example.test") as client:
        token = world.services.settings.metrics_token
        answer = await client.get("/metrics", headers={"Authorization": f"Bearer {token}"})
    assert 'swap_pay_alerts_open{kind="drift",severity="critical"}' in answer.text
    assert "swap_pay_reconciled_seconds" in answer.text
    assert "swap_pay_checkpoint_seconds" in answer.text
