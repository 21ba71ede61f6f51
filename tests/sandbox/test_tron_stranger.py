"""Unmodified tronweb, a stranger's client, is served by the double of a Tron node."""

import json
import subprocess
from pathlib import Path

from app.sandbox.home import ROOT
from app.sandbox.tron_double.addresses import from_text
from app.sandbox.tron_driver import CUSTOMER_KEY, USDT_PENALTY, TronDriver

SCRIPT = Path(__file__).with_name("tron_stranger.cjs")
RECIPIENT = "TUEZSdKsoDHQMeZwihtdoBiN46zxhGWYdH"
TRANSFER = "ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"


async def test_tronweb_creates_signs_broadcasts_and_reads(tron: TronDriver) -> None:
    usdt = await tron.deploy_stablecoin(10**15, penalty=USDT_PENALTY)
    await tron.mine(20)
    asked = ["node", str(SCRIPT), tron.api_url, CUSTOMER_KEY.hex(), usdt, RECIPIENT]
    done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)

    assert (found["connected"]["fullNode"], found["connected"]["solidityNode"]) == (True, True)
    assert found["trx"] == {"result": True, "sameId": True}
    assert (found["again"], found["hexSent"]["code"]) == ("DUP_TRANSACTION_ERROR", "SUCCESS")
    assert (found["trxInfo"]["fee"], found["trxInfo"]["receipt"]) == (1_100_000, {"net_fee": 100_000})  # activated
    assert (found["unsolid"], found["solidInfo"]) == ({}, True)
    assert found["balance"] == 7_001_000

    assert (found["held"], found["got"]) == (str(10**15), "5000000")
    (log,) = found["tokenInfo"]["log"]
    assert log["address"] == from_text(usdt)[2:]
    assert [log["topics"][0], log["topics"][2][-40:]] == [TRANSFER, from_text(RECIPIENT)[2:]]
    assert int(log["data"], 16) == 5_000_000
    assert found["tokenTransaction"]["ret"] == [{"contractRet": "SUCCESS"}]
    assert found["tokenTransaction"]["raw_data"]["fee_limit"] == 50_000_000
    assert found["block"] == 1

    # A first transfer to an address takes about twice the energy of the next one.
    first, second = (info["receipt"]["energy_usage_total"] for info in (found["tokenInfo"], found["getsMore"]["info"]))
    assert 60_000 < second < 70_000 < 120_000 < first < 140_000

    short, refused = found["outOfEnergy"], found["revert"]
    assert (short["sent"]["result"], short["info"]["receipt"]["result"]) == (True, "OUT_OF_ENERGY")
    assert short["info"]["receipt"]["energy_fee"] == 1_000_000  # all of the limit
    assert (refused["info"]["receipt"]["result"], refused["info"]["result"]) == ("REVERT", "FAILED")
    assert found["expired"] == "TRANSACTION_EXPIRATION_ERROR"
    assert found["resources"]["freeNetLimit"] == 600
