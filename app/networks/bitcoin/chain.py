"""The `Chain` of a Bitcoin network: the payments to our addresses, in blocks and in the pool.

Blocks are read raw and by their hash, which their bytes must have; a range of them must be one chain. Every
transaction is read, so no index of the node is needed, and a pruned node does as long as it has the blocks since the
last look.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence, Set
from datetime import UTC, datetime
from itertools import pairwise

from app.core.money import format_amount
from app.networks.bitcoin import customer_fees, holdings, mined
from app.networks.bitcoin.account import Account
from app.networks.bitcoin.addresses import parse
from app.networks.bitcoin.blocks import ReadBlock, read_block
from app.networks.bitcoin.coins import claim
from app.networks.bitcoin.config import BitcoinConfig
from app.networks.bitcoin.lookup import Lookup
from app.networks.bitcoin.parameters import COIN_DECIMALS, COINBASE_MATURITY, PARAMETERS
from app.networks.bitcoin.pool import PoolReader
from app.networks.bitcoin.rpc import CHAIN_INFO, BitcoinRpc
from app.networks.bitcoin.wire import INVALID_PARAMETER, MISC_ERROR, NOT_FOUND, Hash, WireHeader
from app.networks.json_rpc import Call, RefusedByNode
from app.networks.port import (
    Block,
    BlockRef,
    ChainMoved,
    CustomerFee,
    Look,
    MinedIn,
    NodeUnavailable,
    OurAddresses,
    OurCoins,
    Pool,
    Settlement,
    TransactionState,
    Transfer,
)

BLOCKS_PER_REQUEST = 4
"""A block has up to 4 MB, twice as much as hexadecimal digits."""


class BitcoinChain:
    """`app.networks.port.Chain` for one configured Bitcoin network."""

    def __init__(self, config: BitcoinConfig, mined_in: MinedIn) -> None:
        self._config = config
        self._mined_in = mined_in
        self._hrp = PARAMETERS[config.bitcoin_network].hrp
        self._rpc = BitcoinRpc(config)
        self._pool = PoolReader(self._rpc, config.coin.symbol, self._hrp)
        self._lookup = Lookup(self._rpc, config.coin.symbol, self._hrp)
        self._account = Account(config.xpub, config.bitcoin_network, config.address_type)

    async def check_identity(self) -> None:
        await self._rpc.best_chain()

    async def head_height(self) -> int:
        return (await self._rpc.best_chain()).blocks

    async def look(self, height: int) -> Look:
        head_height = await self.head_height()  # which checks the identity too
        return Look(head_height, await self.block_ref(min(height, head_height)) if height >= 0 else None)

    async def block_ref(self, height: int) -> BlockRef | None:
        (block_hash,) = await self._rpc.ask([_hash_call(height)])
        if block_hash is None:
            return None
        (header,) = await self._rpc.ask([_header_call(block_hash)])
        if header is None:
            raise ChainMoved(f"the node doesn't know the block {height} that it named")
        return BlockRef(height, block_hash, header.previousblockhash, datetime.fromtimestamp(header.time, UTC))

    async def blocks(self, first: int, last: int, ours: OurAddresses, our_coins: OurCoins | None = None) -> list[Block]:
        if not 0 <= first <= last:
            raise ValueError("a range of blocks begins at 0 or later and ends no earlier than it begins")
        read = await self._read(first, last)
        for parent, child in pairwise(block.ref for block in read):
            if child.parent_hash != parent.hash:
                raise ChainMoved(f"block {child.height} is not the child of the block before it")
        candidates = {payment.address for block in read for payment in block.payments}
        known = await ours(candidates) if candidates else frozenset()
        for block in read:
            self._pool.spent_in_block(block.spent)
        coins = await _among_ours(read, known, our_coins) if our_coins is not None else frozenset()
        return [
            Block(
                block.ref,
                tuple(self._transfers(block, known)),
                tuple(spend for spend in block.spends if spend.claim in coins),
            )
            for block in read
        ]

    async def pool(self, ours: OurAddresses) -> Pool | None:
        return await self._pool.look(ours)

    async def replaced(self, spends: Mapping[str, Sequence[str]]) -> dict[str, str | None]:
        return await self._pool.replaced(spends) if spends else {}

    async def transaction(self, txid: str, block_hash: str | None = None) -> TransactionState:
        return await self._lookup.state(txid, block_hash)

    async def token_name(self, contract: str) -> str | None:
        """None: there are no tokens."""
        return None

    async def finality(self) -> int:
        """The newest block with the network's confirmations: blocks never become final by a rule of the chain."""
        (info,) = await self._rpc.ask([CHAIN_INFO])
        return max(info.blocks - self._config.confirmations + 1, -1)

    async def balances_raw(self, addresses: Sequence[str], asset_symbol: str, height: int) -> dict[str, int]:
        """Reads all unspent outputs there are, which takes minutes on the main network."""
        self._check_asset(asset_symbol)
        network = self._config.bitcoin_network
        scripts = {parse(address, network)[1]: address for address in addresses}
        return await holdings.balances_raw(self._rpc, scripts, height)

    async def settlements(self, txids: Collection[str]) -> dict[str, Settlement]:
        """Only of transactions that spend our coins: those of others can't be looked up without an index."""
        symbol = self._config.coin.symbol
        return dict(await mined.receipts(self._rpc, self._account, symbol, self._mined_in, txids))

    async def customer_fees(self) -> list[CustomerFee]:
        return await customer_fees.customer_fees(self._rpc, self._config)

    async def traces_native(self) -> bool:
        """True: every bitcoin moves in a transaction of its own, which a block has."""
        return True

    def payment_uri(self, address: str, asset_symbol: str, amount_raw: int) -> str:
        """BIP-21. Raises LookupError where the network doesn't have the asset."""
        self._check_asset(asset_symbol)
        return f"bitcoin:{address}?amount={format_amount(amount_raw, COIN_DECIMALS)}"

    def qr_text(self, address: str, asset_symbol: str, amount_raw: int) -> str:
        """BIP-21 with scheme and address in capitals, which a QR code holds in fewer modules (BIP-173)."""
        head, mark, query = self.payment_uri(address, asset_symbol, amount_raw).partition("?")
        return f"{head.upper()}{mark}{query}"

    def wallet_payment(self, address: str, asset_symbol: str, amount_raw: int) -> None:
        """None: wallets of Bitcoin have no interface in browsers that several of them share."""

    def derive_address(self, index: int) -> str:
        return self._config.receiving_address(index)

    async def aclose(self) -> None:
        await self._rpc.aclose()

    def _check_asset(self, symbol: str) -> None:
        if self._config.asset(symbol) is None:
            raise LookupError(f"{symbol} on {self._config.key}")

    async def _read(self, first: int, last: int) -> list[ReadBlock]:
        """The range's blocks; raises ChainMoved where the node's chain isn't that long."""
        hashes = await self._rpc.ask([_hash_call(height) for height in range(first, last + 1)])
        if None in hashes:
            raise ChainMoved(f"the node has no block {first + hashes.index(None)}")
        watched = self._pool.watched()
        read: list[ReadBlock] = []
        for start in range(0, len(hashes), BLOCKS_PER_REQUEST):
            some = [block_hash for block_hash in hashes[start : start + BLOCKS_PER_REQUEST] if block_hash is not None]
            for raw, block_hash in zip(await self._raw_blocks(some, first + start), some, strict=True):
                height = first + len(read)
                read.append(await asyncio.to_thread(read_block, raw, block_hash, height, self._hrp, watched))
        return read

    async def _raw_blocks(self, hashes: Sequence[str], height: int) -> list[str]:
        try:
            raws = await self._rpc.ask_any([_block_call(block_hash) for block_hash in hashes])
        except RefusedByNode as refusal:
            if refusal.code != MISC_ERROR:
                raise
            # Pruned away, or not downloaded yet.
            raise NodeUnavailable(f"from block {height}: {refusal}; a node that has these blocks is needed") from None
        if None in raws:
            raise ChainMoved(f"the node doesn't know the block {height + raws.index(None)} that it named")
        return [raw for raw in raws if raw is not None]

    def _transfers(self, block: ReadBlock, known: Collection[str]) -> list[Transfer]:
        return [
            Transfer(
                txid=payment.txid,
                index=payment.index,
                asset_symbol=self._config.coin.symbol,
                to_address=payment.address,
                from_address=None,
                amount_raw=payment.amount_raw,
                block=block.ref,
                # The block itself is the first of the confirmations that a reward needs.
                matures_at=block.ref.height + COINBASE_MATURITY - 1 if payment.is_reward else None,
            )
            for payment in block.payments
            if payment.address in known
        ]


async def _among_ours(read: Sequence[ReadBlock], addresses_: Collection[str], our_coins: OurCoins) -> Set[str]:
    """The claims of those coins of ours that the blocks spend. What they have made is not in the books yet."""
    spent = {spend.claim for block in read for spend in block.spends}
    made = {claim(each.txid, each.index) for block in read for each in block.payments if each.address in addresses_}
    return (made & spent) | (await our_coins(spent - made) if spent else frozenset())


def _hash_call(height: int) -> Call[str | None]:
    return Call("getblockhash", (height,), Hash, frozenset({INVALID_PARAMETER}))


def _header_call(block_hash: str) -> Call[WireHeader | None]:
    return Call("getblockheader", (block_hash, True), WireHeader, frozenset({NOT_FOUND}))


def _block_call(block_hash: str) -> Call[str | None]:
    return Call("getblock", (block_hash, 0), str, frozenset({NOT_FOUND}))
