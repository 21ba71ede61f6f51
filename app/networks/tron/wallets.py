"""Payments from a wallet in the browser on Tron: made here, signed by the wallet, read here again. Pure.

The page's policy forbids requests to anybody else, and with them those that a wallet's own tronWeb would send from the
page. So the wallet only signs: what it signs is made from our own scanned blocks, and our node is given the signed
bytes, once they are exactly the payment. A block of our chain is named in them, so no other chain would take them.
"""

from datetime import datetime, timedelta
from typing import Any

from app.networks.config import Asset
from app.networks.port import NotATransfer, WalletPayment
from app.networks.sending import Payment, Signed
from app.networks.tron import transactions
from app.networks.tron.addresses import normalise_address
from app.networks.tron.config import TronConfig
from app.networks.tron.transactions import SIGNATURE_BYTES, Body, CoinTransfer, TokenTransfer, block_reference

PROTOCOL = "tron"
CHAIN_ID_DIGITS = 8
"""What wallets call a chain's id is the end of its first block's id (TIP-474)."""

FEE_LIMIT_SUN = 100_000_000
"""The most that a customer's transfer of a token may cost: 100 TRX, several times what it takes without energy."""

TIME_TO_CONFIRM = timedelta(minutes=10)
"""How long a customer may take in the wallet."""

OLD_SIGNATURE_IDS = (0, 1)
"""The last byte of a signature as some wallets write it; others write 27 and 28."""


def wallet_payment(config: TronConfig) -> WalletPayment:
    """What a script needs before anything is made: the chain's id, as wallets call it."""
    return WalletPayment(protocol=PROTOCOL, request={"chainId": f"0x{config.genesis_hash[-CHAIN_ID_DIGITS:]}"})


class TronWallets:
    """`app.networks.sending.SigningWallets` of Tron."""

    def __init__(self, config: TronConfig) -> None:
        self._config = config

    def unsigned(
        self, sender: str, payment: Payment, block_hash: str, now: datetime, until: datetime
    ) -> dict[str, Any]:
        """In the form of tronWeb, which wallets sign. Raises ValueError where `sender` is no address."""
        body = Body(
            owner=normalise_address(sender),
            action=self._action(payment),
            ref_block_bytes=block_reference(block_hash)[0],
            ref_block_hash=block_reference(block_hash)[1],
            expiration_ms=_milliseconds(min(now + TIME_TO_CONFIRM, until)),
            timestamp_ms=_milliseconds(now),
            fee_limit_raw=0 if self._asset(payment).contract is None else FEE_LIMIT_SUN,
        )
        raw_data = transactions.encode(body)
        return {
            "visible": False,
            "txID": transactions.txid(raw_data),
            "raw_data": _raw_data(body),
            "raw_data_hex": raw_data.hex(),
        }

    def signed(self, raw_data: str, signature: str, payment: Payment) -> Signed:
        """Raises NotATransfer unless the bytes are that payment and nothing else, signed by its sender."""
        try:
            raw, written = bytes.fromhex(raw_data), bytes.fromhex(signature.removeprefix("0x"))
            if len(written) == SIGNATURE_BYTES and written[-1] in OLD_SIGNATURE_IDS:
                written = written[:-1] + bytes([written[-1] + 27])
            joined = transactions.joined(raw, written)
        except Exception as error:
            raise NotATransfer(f"not the bytes of a transaction: {error}") from None
        body = transactions.decode(joined)
        if body.action != self._action(payment) or body.fee_limit_raw not in (0, FEE_LIMIT_SUN):
            raise NotATransfer("it is another payment")
        return Signed(transactions.txid(raw), joined)

    def _action(self, payment: Payment) -> CoinTransfer | TokenTransfer:
        contract = self._asset(payment).contract
        if contract is None:
            return CoinTransfer(payment.to_address, payment.amount_raw)
        return TokenTransfer(contract, payment.to_address, payment.amount_raw)

    def _asset(self, payment: Payment) -> Asset:
        asset = self._config.asset(payment.asset_symbol)
        if asset is None:
            raise LookupError(f"{payment.asset_symbol} on {self._config.key}")
        return asset


def _raw_data(body: Body) -> dict[str, Any]:
    """What a transaction says, as tronWeb writes it in JSON: addresses and bytes in hex."""
    name, fields = transactions.contract_of(body)
    written = {key: each.hex() if isinstance(each, bytes) else each for key, each in fields.items()}
    said: dict[str, Any] = {
        "contract": [{"parameter": {"value": written, "type_url": transactions.type_url(name)}, "type": name}],
        "ref_block_bytes": body.ref_block_bytes.hex(),
        "ref_block_hash": body.ref_block_hash.hex(),
        "expiration": body.expiration_ms,
        "timestamp": body.timestamp_ms,
    }
    return said | ({"fee_limit": body.fee_limit_raw} if body.fee_limit_raw else {})


def _milliseconds(time: datetime) -> int:
    return int(time.timestamp() * 1000)
