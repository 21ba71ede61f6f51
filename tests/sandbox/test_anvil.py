import time
from pathlib import Path
from typing import Any

import pytest

from app.sandbox import anvil
from app.sandbox.anvil import Anvil
from app.sandbox.processes import ProcessError
from tests.services import start_anvil_for_tests

# Init code that emits an empty log and deploys nothing: PUSH1 0, PUSH1 0, LOG0, STOP.
EMITS_LOG = "0x60006000a000"


def send(node: Anvil, **transaction: str) -> str:
    sender = node.rpc("eth_accounts")[0]
    return str(node.rpc("eth_sendTransaction", {"from": sender, **transaction}))


def wait_until_mined(node: Anvil, transaction: str) -> None:
    deadline_s = time.monotonic() + 5
    while node.rpc("eth_getTransactionReceipt", transaction) is None:
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


def history(node: Anvil, *transactions: str) -> dict[str, Any]:
    """All data that a watcher reads: full blocks, logs, receipts."""
    height = int(node.rpc("eth_blockNumber"), 16)
    return {
        "blocks": [node.rpc("eth_getBlockByNumber", hex(number), True) for number in range(height + 1)],
        "logs": node.rpc("eth_getLogs", {"fromBlock": "0x0", "toBlock": "latest"}),
        "receipts": [node.rpc("eth_getTransactionReceipt", transaction) for transaction in transactions],
    }


def test_the_chain_survives_a_stop_and_continues(tmp_path: Path) -> None:
    node = anvil.start(tmp_path, keep_state=True)
    receiver = node.rpc("eth_accounts")[1]
    sent = [send(node, to=receiver, value="0x1"), send(node, data=EMITS_LOG)]
    node.rpc("anvil_mine", "0x20")
    before = history(node, *sent)
    assert len(before["logs"]) == 1
    node.stop()

    second = anvil.start(tmp_path, keep_state=True)
    assert history(second, *sent) == before
    wait_until_mined(second, send(second, to=receiver, value="0x1"))
    assert second.rpc("eth_getBlockByNumber", "latest", False)["parentHash"] == before["blocks"][-1]["hash"]
    assert int(second.rpc("eth_getBalance", receiver, "latest"), 16) == 10_000 * 10**18 + 2
    second.stop()


def test_written_state_survives_a_kill(tmp_path: Path) -> None:
    node = anvil.start(tmp_path, keep_state=True, state_interval_s=1)
    node.rpc("anvil_mine", "0x5")
    mined_at_s = time.time()
    while not (tmp_path / "state.json").exists() or (tmp_path / "state.json").stat().st_mtime < mined_at_s:
        time.sleep(0.05)
    time.sleep(0.2)
    before = history(node)
    node.kill()
    node.restart()
    assert history(node) == before
    node.stop()


def test_without_kept_state_a_restart_is_an_empty_chain_at_the_same_address(tmp_path: Path) -> None:
    with start_anvil_for_tests(tmp_path) as node:
        url = node.rpc_url
        node.rpc("anvil_mine", "0x5")
        node.restart()
        assert node.rpc_url == url
        assert node.rpc("eth_blockNumber") == "0x0"
        with pytest.raises(RuntimeError, match="no_such_method"):
            node.rpc("no_such_method")


def test_chain_id_accounts_and_block_time_are_as_given(tmp_path: Path) -> None:
    mnemonic = "legal winner thank year wave sausage worth useful legal winner thank yellow"
    node = anvil.start(tmp_path, chain_id=1_337_001, mnemonic=mnemonic, block_time_s=1)
    assert int(node.rpc("eth_chainId"), 16) == 1_337_001
    assert node.rpc("eth_accounts")[0] == "0x58a57ed9d8d624cbd12e2c467d34787555bb1b25"
    waiting = send(node, to=node.rpc("eth_accounts")[1], value="0x1")
    assert node.rpc("eth_getTransactionReceipt", waiting) is None
    wait_until_mined(node, waiting)
    node.stop()


def test_damaged_state_is_named_as_the_reason(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text('{"block": {"numb')
    with pytest.raises(ProcessError, match=r"state\.json"):
        anvil.start(tmp_path, keep_state=True)
