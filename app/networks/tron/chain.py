"""The `Chain` of a Tron network: the transfers to our addresses in a range of blocks, and what our accounts have sent.

Blocks are the only source: a provider's index of an address's transfers may have gaps. Each block is read with the
infos of its transactions (blocks.py), by few requests (reading.py).

Tokens are found by the Transfer logs of their contract, TRX by the transactions that transfer it. TRX that a contract
pays on is in a block only if the node keeps internal transactions (`internal_transactions`); otherwise the check of
balances finds it (signer/balance_check.py).
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence

from app.core.money import format_amount
from app.networks.config import Asset
from app.networks.port import (
    Block,
    BlockRef,
    ChainMoved,
    CustomerFee,
    Danger,
    Look,
    OurAddresses,
    OurCoins,
    Pool,
    Sent,
    Settlement,
    TransactionState,
    Transfer,
    WalletPayment,
)
from app.networks.throttle import Throttle
from app.networks.tron import holdings, lookup
from app.networks.tron.addresses import from_hex, to_log
from app.networks.tron.blocks import COIN_INDEX, ReadBlock, Rules
from app.networks.tron.config import TronConfig
from app.networks.tron.node import TronNodes
from app.networks.tron.reading import BlockReader
from app.networks.tron.resources import Costs
from app.networks.tron.wallets import wallet_payment


class TronChain:
    """`app.networks.port.Chain` for one configured Tron network."""

    def __init__(self, config: TronConfig, throttle: Throttle) -> None:
        self._config = config
        self._nodes = TronNodes(config, throttle)
        self._rules = rules_of(config)
        self._reader = BlockReader(config, self._nodes, self._rules)
        self._costs = Costs(config, self._nodes)
        self._final: tuple[str, int] | None = None  # the head's hash, and the final height that was read under it

    async def check_identity(self) -> None:
        await self._nodes.check_identity()

    async def head_height(self) -> int:
        return (await self._reader.head()).height

    async def look(self, height: int) -> Look:
        await self.check_identity()
        head_height = await self.head_height()
        return Look(head_height, await self.block_ref(min(height, head_height)) if height >= 0 else None)

    async def block_ref(self, height: int) -> BlockRef | None:
        return await self._reader.ref(height)

    async def blocks(self, first: int, last: int, ours: OurAddresses, our_coins: OurCoins | None = None) -> list[Block]:
        if not 0 <= first <= last:
            raise ValueError("a range of blocks begins at 0 or later and ends no earlier than it begins")
        read = await self._reader.read(first, last)
        texts = await asyncio.to_thread(_texts, read)
        known = await ours(set(texts.values())) if texts else frozenset()
        our_texts = {digits: text for digits, text in texts.items() if text in known}
        return [self._block(block, our_texts) for block in read]

    async def pool(self, ours: OurAddresses) -> Pool | None:
        """None: blocks come every three seconds, and an unmined transaction may still do anything."""
        return None

    async def replaced(self, spends: Mapping[str, Sequence[str]]) -> dict[str, str | None]:
        return {}

    async def transaction(self, txid: str, block_hash: str | None = None) -> TransactionState:
        return await lookup.state(self._nodes, self._rules, txid, internal=self._config.internal_transactions)

    async def token_name(self, contract: str) -> str | None:
        return await lookup.token_name(self._nodes, contract)

    async def finality(self) -> int:
        """The newest block that two thirds of the block producers have built upon, as nodes of final blocks say. Asked
        for once at each head."""
        head = await self._reader.known_head()
        if self._final is None or self._final[0] != head.hash:
            final = await holdings.final_block(self._nodes)
            link = self._reader.link(final.height)
            if link is not None and link.hash != final.hash:
                raise ChainMoved(f"block {final.height} is another one among the final blocks")
            self._final = (head.hash, final.height)
        return min(self._final[1], head.height)

    async def balances_raw(self, addresses: Sequence[str], asset_symbol: str, height: int) -> dict[str, int]:
        return await holdings.balances_raw(self._nodes, self._reader, self._asset(asset_symbol), addresses, height)

    async def settlements(self, txids: Collection[str]) -> dict[str, Settlement]:
        return await holdings.settlements(self._nodes, self._rules, txids)

    async def customer_fees(self) -> list[CustomerFee]:
        return await self._costs.of_customers()

    async def traces_native(self) -> bool:
        return self._config.internal_transactions

    def payment_uri(self, address: str, asset_symbol: str, amount_raw: int) -> str:
        """`tron:` with the address, the token's contract, and the amount in whole units, as wallets read it; no
        standard says so. Raises LookupError where the network doesn't have the asset."""
        asset = self._asset(asset_symbol)
        token = "" if asset.contract is None else f"token={asset.contract}&"
        return f"tron:{address}?{token}amount={format_amount(amount_raw, asset.decimals)}"

    def qr_text(self, address: str, asset_symbol: str, amount_raw: int) -> str:
        """The address alone: exchanges' apps and many wallets read nothing else."""
        return address

    def wallet_payment(self, address: str, asset_symbol: str, amount_raw: int) -> WalletPayment:
        """For wallets that sign what `TronWallets` makes."""
        return wallet_payment(self._config)

    def derive_address(self, index: int) -> str:
        return self._config.receiving_address(index)

    async def aclose(self) -> None:
        await self._nodes.aclose()

    def _asset(self, symbol: str) -> Asset:
        asset = self._config.asset(symbol)
        if asset is None:
            raise LookupError(f"{symbol} on {self._config.key}")
        return asset

    def _block(self, block: ReadBlock, ours: Mapping[str, str]) -> Block:
        """A block with what concerns `ours`: addresses by their digits."""
        transfers = [
            Transfer(
                txid=move.txid,
                index=move.index,
                asset_symbol=move.asset_symbol,
                to_address=ours[move.receiver],
                from_address=from_hex(move.sender),
                amount_raw=move.amount_raw,
                block=block.ref,
            )
            for move in block.moves
            if move.receiver in ours and (move.index >= COIN_INDEX or self._config.internal_transactions)
        ]
        # Whoever was allowed to take a token from one of our addresses has not its key, but moves its money.
        sent = {Sent(owner.txid, ours[owner.address]) for owner in block.owners if owner.address in ours}
        sent |= {Sent(move.txid, ours[move.sender]) for move in block.moves if move.index >= 0 and move.sender in ours}
        dangers = [
            Danger(
                kind=alarm.kind,
                txid=alarm.txid,
                address=None if alarm.address is None else ours[alarm.address],
                asset_symbol=alarm.asset_symbol,
                amount_raw=alarm.amount_raw,
            )
            for alarm in block.alarms
            if alarm.address is None or alarm.address in ours
        ]
        return Block(
            ref=block.ref,
            transfers=tuple(sorted(transfers, key=_index)),
            sent=tuple(sorted(sent, key=_txid)),
            dangers=tuple(dangers),
        )


def rules_of(config: TronConfig) -> Rules:
    """What is read of blocks on a network."""
    tokens = {to_log(asset.contract): asset.symbol for asset in config.assets if asset.contract is not None}
    return Rules(tokens, None if config.native is None else config.native.symbol)


def _texts(blocks: Sequence[ReadBlock]) -> dict[str, str]:
    """The canonical forms of all addresses that may be ours, by their digits: many, so it takes a while."""
    return {digits: from_hex(digits) for block in blocks for digits in _addresses(block)}


def _addresses(block: ReadBlock) -> set[str]:
    """All that may be ours. TRX moves from who signs; inner calls move that of contracts."""
    addresses = {move.receiver for move in block.moves}
    addresses |= {move.sender for move in block.moves if move.index >= 0}
    addresses |= {owner.address for owner in block.owners}
    return addresses | {alarm.address for alarm in block.alarms if alarm.address is not None}


def _index(transfer: Transfer) -> int:
    return transfer.index


def _txid(sent: Sent) -> tuple[str, str]:
    return sent.txid, sent.address
