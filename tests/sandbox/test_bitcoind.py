import os
import stat
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import psutil
import pytest

from app.sandbox import bitcoind, ports
from app.sandbox.bitcoin_driver import FIRST_BLOCKS, BitcoinDriver, BitcoinDriverError
from app.sandbox.bitcoind import Bitcoind
from app.sandbox.processes import ProcessError
from tests.sandbox.test_processes import ROOT, runs, wait_until
from tests.services import bitcoind_or_skip, start_bitcoind_for_tests

ABANDON = "bcrt1qcr8te4kr609gcawutmrza0j4xv80jy8zeqchgx"
"""m/84'/0'/0'/0/0 of BIP-84's published mnemonic, as a regtest address: not the wallet's."""

OWNER = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    from app.sandbox import bitcoind

    node = bitcoind.start(Path(sys.argv[1]), keep_state=True)
    node.rpc("createwallet", "miner")
    node.rpc("generatetoaddress", 7, node.rpc("getnewaddress"))
    print(node.process.pid, flush=True)
    sys.stdin.read()
    """
)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Bitcoind]:
    """A node of the test's own."""
    with start_bitcoind_for_tests(tmp_path) as node:
        yield node


async def paid_raw(driver: BitcoinDriver, txid: str, address: str = ABANDON) -> int:
    """What an unmined or mined transaction pays to an address, in satoshi."""
    transaction = (await driver.call("gettransaction", txid, verbose=True))["decoded"]
    outputs = [output for output in transaction["vout"] if output["scriptPubKey"].get("address") == address]
    return int(sum((output["value"] for output in outputs), Decimal(0)) * 10**8)


async def inputs(driver: BitcoinDriver, txid: str) -> set[tuple[str, int]]:
    """The coins that a transaction spends."""
    return {(coin["txid"], coin["vout"]) for coin in (await driver.call("getrawtransaction", txid, 1))["vin"]}


async def confirmations(driver: BitcoinDriver, txid: str) -> int:
    return int((await driver.call("gettransaction", txid))["confirmations"])


async def test_the_first_connection_gives_a_wallet_with_coins_on_a_chain_of_130_blocks(node: Bitcoind) -> None:
    driver = await BitcoinDriver.connect(node.rpc_url)
    assert await driver.height() == FIRST_BLOCKS == 130
    assert await driver.balance_raw() == 30 * 50 * 10**8
    assert (await driver.address()).startswith("bcrt1q")
    chain = await driver.call("getblockchaininfo")
    assert (chain["chain"], chain["initialblockdownload"]) == ("regtest", False)
    # A payment now is mined in a block of now.
    assert (await driver.call("getblock", (await driver.mine())[0]))["time"] == pytest.approx(time.time(), abs=5)
    again = await BitcoinDriver.connect(node.rpc_url)
    assert await again.height() == 131
    await again.aclose()
    await driver.aclose()


async def test_a_payment_waits_in_the_pool_until_a_block_has_it(bitcoin: BitcoinDriver) -> None:
    txid = await bitcoin.pay(ABANDON, 123_456_789, fee_rate=7)
    assert await bitcoin.pool() == [txid]
    assert await paid_raw(bitcoin, txid) == 123_456_789
    entry = await bitcoin.call("getmempoolentry", txid)
    assert entry["fees"]["base"] * 10**8 / entry["vsize"] == pytest.approx(7, rel=0.02)
    height = await bitcoin.height()
    (block,) = await bitcoin.mine()
    assert await bitcoin.height() == height + 1
    assert txid in (await bitcoin.call("getblock", block))["tx"]
    assert await bitcoin.pool() == []


async def test_an_id_without_a_payment_is_an_error(tmp_path: Path) -> None:
    bitcoind_or_skip()
    # Given a wallet that sends nothing to the node, and returns an id all the same,
    node = bitcoind.start(tmp_path, options=["-walletbroadcast=0"])
    driver = await BitcoinDriver.connect(node.rpc_url)
    with pytest.raises(BitcoinDriverError, match="Transaction not in mempool"):
        await driver.pay(ABANDON, 10_000)
    await driver.aclose()
    node.stop()


async def test_no_lock_time_that_the_wallet_may_draw_is_refused(bitcoin: BitcoinDriver) -> None:
    draft = await bitcoin.call("createrawtransaction", [], [{ABANDON: "0.001"}], 21)
    funded = await bitcoin.call("fundrawtransaction", draft)
    signed = await bitcoin.call("signrawtransactionwithwallet", funded["hex"])
    assert await bitcoin.call("sendrawtransaction", signed["hex"]) in await bitcoin.pool()


async def test_an_empty_block_leaves_the_payment_in_the_pool(bitcoin: BitcoinDriver) -> None:
    txid = await bitcoin.pay(ABANDON, 10_000)
    await bitcoin.mine_empty(2)
    assert await bitcoin.pool() == [txid]


@pytest.mark.parametrize("amount_raw", [60_000, 40_000], ids=["more", "less"])
async def test_a_replacement_pays_more_or_less_with_the_same_inputs(bitcoin: BitcoinDriver, amount_raw: int) -> None:
    old = await bitcoin.pay(ABANDON, 50_000, fee_rate=2)
    spent = await inputs(bitcoin, old)
    new = await bitcoin.replace(old, {ABANDON: amount_raw})
    assert await bitcoin.pool() == [new]
    assert await inputs(bitcoin, new) >= spent
    assert await paid_raw(bitcoin, new) == amount_raw


async def test_a_replacement_adds_coins_where_those_of_the_payment_do_not_suffice(bitcoin: BitcoinDriver) -> None:
    old = await bitcoin.pay(ABANDON, 50_000, fee_rate=2)
    spent = await inputs(bitcoin, old)
    more_raw = 10 * 50 * 10**8  # no coin is larger than a block's reward
    new = await bitcoin.replace(old, {ABANDON: more_raw})
    assert await bitcoin.pool() == [new]
    assert await inputs(bitcoin, new) > spent
    with pytest.raises(BitcoinDriverError, match="fundrawtransaction: Insufficient funds"):
        await bitcoin.replace(new, {ABANDON: more_raw + await bitcoin.balance_raw()})


async def test_a_payment_is_taken_back_with_what_spends_it(bitcoin: BitcoinDriver) -> None:
    own = await bitcoin.address()
    old = await bitcoin.pay(own, 500_000_000, fee_rate=3)
    coins = [{"txid": old, "vout": output["vout"]} for output in await bitcoin.call("listunspent", 0, 0, [own])]
    draft = await bitcoin.call("createrawtransaction", coins, [{ABANDON: "1"}])
    funded = await bitcoin.call("fundrawtransaction", draft, {"fee_rate": 40})
    signed = await bitcoin.call("signrawtransactionwithwallet", funded["hex"])
    child = await bitcoin.call("sendrawtransaction", signed["hex"])
    assert set(await bitcoin.pool()) == {old, child}
    new = await bitcoin.replace(old, {await bitcoin.address(): 400_000_000})
    assert await bitcoin.pool() == [new]
    assert await paid_raw(bitcoin, new) == 0


async def test_a_reorganisation_moves_a_payment_to_another_block(bitcoin: BitcoinDriver) -> None:
    txid = await bitcoin.pay(ABANDON, 10_000)
    old = await bitcoin.mine(3)
    height = await bitcoin.height()
    new = await bitcoin.reorganise(3)
    assert await bitcoin.height() == height + 1
    assert [await bitcoin.call("getblockhash", height - 2 + place) for place in range(4)] == new
    assert (await bitcoin.call("getblockheader", old[0]))["confirmations"] == -1
    assert (await bitcoin.call("gettransaction", txid))["blockhash"] == new[0]


async def test_a_payment_that_is_not_mined_again_waits_in_the_pool(bitcoin: BitcoinDriver) -> None:
    txid = await bitcoin.pay(ABANDON, 10_000)
    await bitcoin.mine(2)
    await bitcoin.roll_back(2)
    await bitcoin.mine_empty(3)
    assert await bitcoin.pool() == [txid]
    assert await confirmations(bitcoin, txid) == 0


async def test_the_node_says_why_it_refuses(bitcoin: BitcoinDriver) -> None:
    with pytest.raises(BitcoinDriverError, match="sendtoaddress: Insufficient funds") as refused:
        await bitcoin.pay(ABANDON, 10**15)
    assert refused.value.code == -6
    with pytest.raises(BitcoinDriverError, match=r"Not a valid Bitcoin|Invalid address|Invalid Bitcoin"):
        await bitcoin.pay("bc1qcr8te4kr609gcawutmrza0j4xv80jy8z306fyu", 10_000)
    stranger = BitcoinDriver(bitcoin.rpc_url.replace("sandbox:", "sandbox:x"), bitcoin._client)
    with pytest.raises(BitcoinDriverError, match="status 401"):
        await stranger.height()


async def test_a_kept_chain_goes_on_with_its_wallet_and_its_pool(tmp_path: Path) -> None:
    bitcoind_or_skip()
    node = bitcoind.start(tmp_path, keep_state=True)
    driver = await BitcoinDriver.connect(node.rpc_url)
    txid = await driver.pay(ABANDON, 10_000)
    tip = await driver.call("getbestblockhash")
    await driver.aclose()
    node.stop()

    second = bitcoind.start(tmp_path, keep_state=True)
    driver = await BitcoinDriver.connect(second.rpc_url)
    assert await driver.call("getbestblockhash") == tip
    assert await driver.pool() == [txid]
    assert txid in (await driver.call("getblock", (await driver.mine())[0]))["tx"]
    await driver.aclose()
    second.stop()


async def test_without_kept_state_a_restart_is_an_empty_chain_at_the_same_address(node: Bitcoind) -> None:
    url = node.rpc_url
    driver = await BitcoinDriver.connect(url)
    await driver.aclose()
    node.restart()
    assert node.rpc_url == url
    assert node.rpc("getblockcount") == 0
    with pytest.raises(RuntimeError, match="no_such_method: Method not found"):
        node.rpc("no_such_method")


async def test_a_killed_node_has_lost_the_blocks_that_were_not_written(tmp_path: Path) -> None:
    bitcoind_or_skip()
    node = bitcoind.start(tmp_path, keep_state=True)
    driver = await BitcoinDriver.connect(node.rpc_url)
    await driver.aclose()
    node.kill()
    node.restart()
    assert node.rpc("getblockcount") == 0
    node.stop()


def test_a_killed_owner_leaves_no_node_and_loses_no_block(tmp_path: Path) -> None:
    bitcoind_or_skip()
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert owner.stdout is not None
    pid = int(owner.stdout.readline())
    assert runs(pid)
    owner.kill()
    owner.wait()
    assert wait_until(lambda: not runs(pid))
    node = bitcoind.start(tmp_path, keep_state=True)
    assert node.rpc("getblockcount") == 7
    node.stop()


def test_options_reach_the_node(tmp_path: Path) -> None:
    bitcoind_or_skip()
    node = bitcoind.start(tmp_path, options=["-prune=1", "-fastprune"])
    assert node.rpc("getblockchaininfo")["pruned"] is True
    node.stop()
    with pytest.raises(ProcessError, match="no_such_option"):
        bitcoind.start(tmp_path, options=["-no_such_option=1"])


def test_the_node_listens_on_loopback_alone_and_keeps_its_password_to_its_owner(node: Bitcoind) -> None:
    listening = psutil.Process(node.process.pid).net_connections("inet")
    assert {connection.laddr.ip for connection in listening if connection.status == "LISTEN"} == {"127.0.0.1"}
    assert stat.S_IMODE((node.data_dir / "bitcoin.conf").stat().st_mode) == 0o600
    assert node.rpc_password not in " ".join(psutil.Process(node.process.pid).cmdline())


def test_a_port_in_use_is_named_as_the_reason(tmp_path: Path, node: Bitcoind) -> None:
    with pytest.raises(ProcessError, match=f"port {node.port} is already in use"):
        bitcoind.start(tmp_path / "second", node.port)
    assert not ports.is_free(node.port)


def test_bitcoind_names_the_program_before_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_path, named = tmp_path / "bin" / "bitcoind", tmp_path / "mine"
    on_path.parent.mkdir()
    for program in (on_path, named):
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
    monkeypatch.delenv("BITCOIND", raising=False)
    monkeypatch.setenv("PATH", f"{on_path.parent}{os.pathsep}{os.environ['PATH']}")
    assert bitcoind.find() == on_path
    monkeypatch.setenv("BITCOIND", str(named))
    assert bitcoind.find() == named
    monkeypatch.setenv("BITCOIND", str(tmp_path / "missing"))
    with pytest.raises(ProcessError, match=r"BITCOIND is .*missing, which is no program"):
        bitcoind.find()
