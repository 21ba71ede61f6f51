"""The guides on bitcoin: their networks file is one, and their node lets the gateway do all that it does."""

import hashlib
import hmac
import re
from pathlib import Path

from app.networks.bitcoin import chain as chain_module
from app.networks.bitcoin.chain import BitcoinChain
from app.networks.bitcoin.config import BitcoinConfig
from app.networks.networks_file import load_networks
from app.sandbox import bitcoind
from app.sandbox.bitcoin_driver import BitcoinDriver
from tests.factories.bitcoin import XPUB, bitcoin_network, nothing_mined
from tests.networks.test_bitcoin_chain import Ours
from tests.services import bitcoind_or_skip

DOCS = Path(__file__).parents[2] / "docs"


def code(document: str, language: str, section: str = "") -> str:
    """The last block of code in this language in a guide, or in a section of it."""
    text = (DOCS / document).read_text()
    if section:
        text = text.split(f"\n### {section}\n")[1].split("\n### ")[0]
    return str(re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)[-1])


def test_the_networks_file_is_one(tmp_path: Path) -> None:
    path = tmp_path / "networks.toml"
    path.write_text(code("configuration.md", "toml", "Bitcoin").replace('hot_wallet_address = "bc1q…"\n', ""))
    environ = {"BITCOIN_RPC_PASSWORD": "CANARY", "BITCOIN_XPUB": XPUB}
    (network,) = load_networks(path, environ).values()
    assert isinstance(network, BitcoinConfig)
    assert network.key == "bitcoin:live"
    assert network.confirmations_for("BTC", 100_000) == 1
    assert "CANARY" not in repr(network)


def test_the_documented_whitelist_has_what_the_gateway_calls_and_no_more() -> None:
    (whitelist,) = re.findall(r"^rpcwhitelist=swap_pay:(.*)$", code("bitcoin.md", "ini"), re.MULTILINE)
    sources = [path.read_text() for path in Path(chain_module.__file__).parent.glob("*.py")]
    called = {name for source in sources for name in re.findall(r'Call(?:\[[^(]+\])?\("([a-z]+)"', source)}
    assert set(whitelist.split(",")) == called


async def test_the_user_of_the_documented_whitelist_may_do_all_that_the_gateway_does(tmp_path: Path) -> None:
    bitcoind_or_skip()
    (whitelist,) = re.findall(r"^rpcwhitelist=(.*)$", code("bitcoin.md", "ini"), re.MULTILINE)
    salt, password = "ab" * 16, "a-password"
    digest = hmac.new(salt.encode(), password.encode(), hashlib.sha256).hexdigest()  # rpcauth.py of Bitcoin Core
    options = [f"-rpcauth=swap_pay:{salt}${digest}", f"-rpcwhitelist={whitelist}", "-rpcwhitelistdefault=0"]
    node = bitcoind.start(tmp_path, options=options)
    try:
        bitcoin = await BitcoinDriver.connect(node.rpc_url)
        chain = BitcoinChain(bitcoin_network([f"http://swap_pay:{password}@127.0.0.1:{node.port}"]), nothing_mined)
        await chain.check_identity()
        address = chain.derive_address(0)
        ours = Ours(address)
        txid = await bitcoin.pay(address, 50_000)
        pool = await chain.pool(ours)
        assert pool is not None
        (waiting,) = pool.transactions
        await bitcoin.replace(txid, {await bitcoin.address(): 50_000})
        assert len(await chain.replaced({txid: waiting.spends})) == 1
        await bitcoin.pay(address, 60_000)
        await bitcoin.mine()
        head = await chain.head_height()
        (block,) = await chain.blocks(head, head, ours)
        assert block.ref == await chain.block_ref(head)
        await bitcoin.mine()
        assert await chain.balances_raw([address], "BTC", head) == {address: 60_000}
        await chain.aclose()
        await bitcoin.aclose()
    finally:
        node.stop()
