"""Whose address a text is: three kinds side by side, and what people are told of one that belongs elsewhere."""

from typing import Any

import msgspec
import pytest

from app.core.errors import ApiError, Code
from app.networks import recognition
from app.networks.config import Asset, NetworkConfig, NodeUrl
from app.networks.registry import Networks
from app.networks.tron.addresses import VOID
from app.networks.tron.config import TronConfig
from app.withdrawals import destinations
from tests.factories.bitcoin import bitcoin_network, hot_wallet
from tests.factories.networks import evm_network

EVM = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"  # EIP-55's first example
TRON, TRON_HEX = "TUEZSdKsoDHQMeZwihtdoBiN46zxhGWYdH", "41c8599111f29c1e1e061265b4af93ea1f274ad78a"
TRON_XPUB = (
    "xpub6D1AabNHCupeiLM65ZR9UStMhJ1vCpyV4XbZdyhMZBiJXALQtmn9p42VTQckoHVn8WNqS7dqnJokZHAHcHGoaQgmv8D45oNUKx6DZMNZBCd"
)
USDT_ON_TRON = "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t"
OTHER_ON_TRON = "TSeJkUh4Qv67VNFwY8LaAxERygNdy6NQZK"
MAIN, MAIN_P2PKH = "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq", "1BoatSLRHtKNngkdXEeobR76b53LETtpyT"
TESTNET, REGTEST = "tb1qcr8te4kr609gcawutmrza0j4xv80jy8zmfp6l0", "bcrt1qcr8te4kr609gcawutmrza0j4xv80jy8zeqchgx"


def tron_network(**options: object) -> TronConfig:
    """The live network `tron`, with a hot wallet."""
    fields: dict[str, Any] = {
        "chain": "tron",
        "mode": "live",
        "display_name": "Tron",
        "rpc_urls": (NodeUrl("https://tron.example"),),
        "confirmations": 19,
        "xpub": TRON_XPUB,
        "hot_wallet_address": OTHER_ON_TRON,
        "assets": (
            Asset(symbol="TRX", name="Tronix", kind="native", decimals=6),
            Asset(symbol="USDT", name="Tether USD", kind="trc20", decimals=6, contract=USDT_ON_TRON),
        ),
        **options,
    }
    return TronConfig(**fields).checked()


ON_TRON = tron_network()
ON_ETHEREUM = evm_network(["http://node.example"], EVM)
ON_BITCOIN = msgspec.structs.replace(bitcoin_network(["http://node.example"]), hot_wallet_address=hot_wallet())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (EVM, "an Ethereum address"),
        (EVM.lower(), "an Ethereum address"),
        (EVM.upper(), "an Ethereum address"),
        (EVM[:-1] + "D", "an Ethereum address"),  # its checksum is wrong, and nobody else's has this form
        (TRON, "a Tron address"),
        (TRON_HEX, "a Tron address"),
        (TRON_HEX.upper(), "a Tron address"),
        (MAIN, "a Bitcoin mainnet address"),
        (MAIN.upper(), "a Bitcoin mainnet address"),
        (MAIN_P2PKH, "a Bitcoin mainnet address"),
        (TESTNET, "a Bitcoin testnet address"),
        (REGTEST, "a Bitcoin regtest address"),
        (TRON.lower(), None),
        (TRON[:-1] + "h", None),
        (MAIN_P2PKH.lower(), None),
        (EVM[2:], None),
        ("", None),
        ("INV-0123456789", None),
        ("0x" + 64 * "a", None),
        ("4" * 100_000, None),
        ("\0", None),
        ("\ud800", None),
    ],
)
def test_whose_address_a_text_is(text: str, words: str | None) -> None:
    assert recognition.recognise(text) == words


@pytest.mark.parametrize(
    ("network", "text", "problem"),
    [
        (ON_TRON, EVM, "destination: this is an Ethereum address; the payout is on Tron"),
        (ON_TRON, MAIN, "destination: this is a Bitcoin mainnet address; the payout is on Tron"),
        (ON_ETHEREUM, TRON, "this is a Tron address; the payout is on Ethereum test"),
        (ON_ETHEREUM, TRON_HEX, "this is a Tron address; the payout is on Ethereum test"),
        (ON_BITCOIN, TRON, "this is a Tron address; the payout is on Bitcoin test"),
        (ON_BITCOIN, MAIN, "this is a Bitcoin mainnet address; the payout is on Bitcoin test"),
        # The network's own kind says what is wrong with what has its form.
        (ON_TRON, TRON[:-1] + "h", "the Tron address's checksum is wrong"),
        (ON_ETHEREUM, EVM[:-1] + "D", "checksum (EIP-55) is wrong"),
        (ON_TRON, "me", "not a Tron address"),
        # Ours, and nobody's.
        (ON_TRON, VOID, "is the zero address"),
        (ON_TRON, "41" + 40 * "0", "is the zero address"),
        (ON_TRON, USDT_ON_TRON, "is a token's contract"),
        (ON_TRON, OTHER_ON_TRON, "is our own hot wallet"),
    ],
)
async def test_a_refused_destination_says_whose_it_is(db: str, network: NetworkConfig, text: str, problem: str) -> None:
    with pytest.raises(ApiError) as refused:
        await destinations.check(network, text, None, field="destination")
    assert refused.value.code is Code.INVALID_DESTINATION
    assert problem in str(refused.value)


async def test_a_destination_is_taken_in_any_of_its_forms(db: str) -> None:
    for network, text, canonical in ((ON_TRON, TRON_HEX, TRON), (ON_BITCOIN, REGTEST.upper(), REGTEST)):
        assert await destinations.check(network, text, None, field="destination") == canonical


def test_an_address_is_found_in_any_of_its_forms() -> None:
    networks = Networks({network.key: network for network in (ON_ETHEREUM, ON_TRON, ON_BITCOIN)})
    for text in (EVM, EVM.lower(), EVM.upper(), EVM[:-1] + "D"):
        assert EVM in networks.address_forms(text)
    for text in (TRON, TRON_HEX, TRON_HEX.upper()):
        assert TRON in networks.address_forms(text)
    assert networks.address_forms(TRON.lower()) == [TRON.lower()]
    for text in (REGTEST, REGTEST.upper()):
        assert REGTEST in networks.address_forms(text)
    assert networks.address_forms("INV-0123456789") == ["INV-0123456789"]
