"""What Tron's transactions cost, and what an account has to pay that with besides coin.

A contract's call takes energy, and every transaction takes bandwidth, a byte for a byte. Both come from staked TRX, or
are paid by burning TRX.
"""

import secrets

from app.core import clock
from app.networks.config import Asset
from app.networks.port import CustomerFee, FeeAboveCeiling, UnreadableAnswer, WouldFail
from app.networks.sending import Cost, Payment, Prices, Resources, StakeMove
from app.networks.tron.addresses import PREFIX, VOID, from_hex, to_hex
from app.networks.tron.config import COIN_DECIMALS, TronConfig
from app.networks.tron.contract_calls import CallFails, address_word, simulate
from app.networks.tron.node import TronNodes
from app.networks.tron.transactions import (
    ENERGY,
    TRANSFER_SELECTOR,
    Action,
    Body,
    CoinTransfer,
    TokenTransfer,
    size,
)
from app.networks.tron.wire import WireAccount
from app.networks.tron.wire_sending import WireChainParameters, WireLendable, WireUse

SUN_PER_TRX = 1_000_000
KEPT_S = 300.0
"""How long prices count: the chain changes them every six hours at most, at its maintenance."""

FEE_LIMIT_MARGIN = (6, 5)
"""The chain raises a busy contract's energy by a fifth at a time, every six hours."""

USUAL_ENERGY = 131_000
"""What a transfer of USDT takes to an address that holds none (docs/tron.md), where no transfer can be simulated."""

COIN_SYMBOL = "TRX"
"""The coin's name, where it is not among the assets."""

CONTRACT_TYPE = "Contract"
"""The type of an account that a contract has."""

UNKNOWN_STAKE = 10**30
"""What a unit of energy is said to take in staked coin where no node tells: nobody stakes that much."""


class Costs:
    """What things cost on one network. Prices are kept for some minutes."""

    def __init__(self, config: TronConfig, nodes: TronNodes) -> None:
        self._config = config
        self._nodes = nodes
        self._prices: Prices | None = None
        self._prices_until_s = 0.0
        self._to_empty: dict[str, int] = {}
        self._to_empty_until_s: dict[str, float] = {}

    async def prices(self) -> Prices:
        """What resources cost now, at most five minutes old."""
        if self._prices is not None and clock.monotonic_s() < self._prices_until_s:
            return self._prices
        answer = await self._nodes.ask("wallet/getchainparameters", {}, WireChainParameters)
        values = {parameter.key: parameter.value for parameter in answer.parameters}
        missing = [key for key in _PRICES if values.get(key, 0) <= 0]
        if missing:
            raise UnreadableAnswer(f"{self._config.key}: the chain's parameters have no {', '.join(missing)}")
        energy_per_stake, stake_for_energy = await self._stake_rate()
        self._prices = Prices(
            energy_raw=values["getEnergyFee"],
            byte_raw=values["getTransactionFee"],
            activation_raw=values["getCreateNewAccountFeeInSystemContract"] + values.get("getCreateAccountFee", 0),
            energy_per_stake=energy_per_stake,
            stake_for_energy=stake_for_energy,
            free_bytes=values.get("getFreeNetLimit", 0),
        )
        self._prices_until_s = clock.monotonic_s() + KEPT_S
        return self._prices

    async def resources(self, address: str) -> Resources:
        """What an account has now."""
        account = await self.account(address)
        if account is None:
            return Resources(exists=False)
        asked = {"address": to_hex(address)}
        used = await self._nodes.find("wallet/getaccountresource", asked, WireUse) or WireUse()
        lendable = await self._nodes.find(
            "wallet/getcandelegatedmaxsize", {"owner_address": to_hex(address), "type": ENERGY}, WireLendable
        )
        own_raw = sum(stake.amount for stake in account.frozen_v2 if stake.type == "ENERGY")
        lent_raw = account.account_resource.delegated_frozen_v2_balance_for_energy
        return Resources(
            exists=True,
            energy=max(used.energy_limit - used.energy_used, 0),
            energy_limit=used.energy_limit,
            bytes_staked=max(used.net_limit - used.net_used, 0),
            bytes_free=max(used.free_net_limit - used.free_net_used, 0),
            spendable_raw=account.balance,
            staked_raw=own_raw + lent_raw,
            lendable_raw=0 if lendable is None else lendable.max_size,
            lent_raw=lent_raw,
        )

    async def account(self, address: str) -> WireAccount | None:
        """An account now; None where it does not exist."""
        account = await self._nodes.find("wallet/getaccount", {"address": to_hex(address)}, WireAccount)
        if account is not None and account.address != to_hex(address):
            raise UnreadableAnswer(f"account {address}: the node answers for another one")
        return account

    async def of_payment(self, sender: str, asset: Asset, payment: Payment) -> Cost:
        """What a payment takes now. Raises WouldFail and FeeAboveCeiling. A token's transfer is simulated for a sender
        too that does not exist yet: it has tokens all the same, and a first payment of coin makes it."""
        if asset.contract is None:
            cost = await self._of_coins(sender, payment)
        else:
            cost = await self._of_tokens(sender, asset.contract, payment)
        if cost.cap_raw(await self.prices()) > self._config.max_fee_limit_sun:
            raise FeeAboveCeiling(
                f"{self._config.key}: it may cost more than the ceiling of {self._config.fee_ceiling}"
            )
        return cost

    def of_stake(self, move: StakeMove) -> Cost:
        """What a move of staked coin takes. Pure."""
        return Cost(
            energy=0, size=_size(self._config.hot_wallet_address or VOID, move), activates=False, fee_limit_raw=0
        )

    async def of_customers(self) -> list[CustomerFee]:
        """What a payment of each asset burns of a customer who has nothing staked and has used up the free bandwidth.

        The dearer of two cases each time, since an invoice's address is often new: coin makes an account exist, and a
        token is sent to an address that holds none of it, which takes about twice the energy.
        """
        prices, coin, found = await self.prices(), self._config.native, []
        coin_symbol = COIN_SYMBOL if coin is None else coin.symbol
        for asset in self._config.assets:
            if asset.contract is None:
                fee_raw = max(_size(VOID, CoinTransfer(VOID, SUN_PER_TRX)) * prices.byte_raw, prices.activation_raw)
            else:
                energy = await self._usual_energy(asset.contract)
                fee_limit_raw = energy * prices.energy_raw
                size = _size(VOID, TokenTransfer(asset.contract, VOID, SUN_PER_TRX), fee_limit_raw)
                fee_raw = fee_limit_raw + size * prices.byte_raw
            found.append(CustomerFee(asset.symbol, fee_raw, coin_symbol, COIN_DECIMALS))
        return found

    async def _usual_energy(self, contract: str) -> int:
        """The energy of a transfer to an address that holds nothing of the token: simulated for the hot wallet, or the
        usual one where that has none to send."""
        sender = self._config.hot_wallet_address
        if sender is None:
            return USUAL_ENERGY
        return await self._simulated_to_empty(sender, contract, 1) or USUAL_ENERGY

    async def _of_coins(self, sender: str, payment: Payment) -> Cost:
        if payment.to_address == sender:
            raise WouldFail(f"{self._config.key}: an account sends no coin to itself")
        account = await self.account(sender)
        if account is None:
            raise WouldFail(f"{self._config.key}: the account {sender} does not exist yet, and can send nothing")
        if account.balance < payment.amount_raw:
            raise WouldFail(f"{self._config.key}: the account {sender} holds too little coin")
        recipient = await self.account(payment.to_address)
        if recipient is not None and recipient.type == CONTRACT_TYPE:
            raise WouldFail(f"{self._config.key}: {payment.to_address} is a contract, which takes no plain transfer")
        moved = CoinTransfer(payment.to_address, payment.amount_raw)
        return Cost(energy=0, size=_size(sender, moved), activates=recipient is None, fee_limit_raw=0)

    async def _of_tokens(self, sender: str, contract: str, payment: Payment) -> Cost:
        try:
            energy = await self._energy(sender, contract, payment.to_address, payment.amount_raw)
        except CallFails as failure:
            raise WouldFail(f"{self._config.key}: a transfer of {payment.asset_symbol} would fail: {failure}") from None
        # The recipient may have sent away all that it holds by the time the transfer is executed.
        most = max(energy, await self._energy_to_empty(sender, contract, payment.amount_raw, energy))
        more, of = FEE_LIMIT_MARGIN
        fee_limit_raw = -(-most * (await self.prices()).energy_raw * more // of)
        moved = TokenTransfer(contract, payment.to_address, payment.amount_raw)
        return Cost(
            energy=energy, size=_size(sender, moved, fee_limit_raw), activates=False, fee_limit_raw=fee_limit_raw
        )

    async def _energy_to_empty(self, sender: str, contract: str, amount_raw: int, energy: int) -> int:
        """The energy of a transfer to an address that holds nothing of the token; twice `energy` where it can't be
        simulated."""
        return await self._simulated_to_empty(sender, contract, amount_raw) or 2 * energy

    async def _simulated_to_empty(self, sender: str, contract: str, amount_raw: int) -> int | None:
        """The energy of such a transfer, at most five minutes old; None where the contract refuses it."""
        if clock.monotonic_s() < self._to_empty_until_s.get(contract, 0.0):
            return self._to_empty[contract]
        nobody = from_hex(PREFIX + secrets.token_hex(20))  # new each time: a known one could be sent something
        try:
            found = await self._energy(sender, contract, nobody, amount_raw)
        except CallFails:
            return None
        self._to_empty[contract] = found
        self._to_empty_until_s[contract] = clock.monotonic_s() + KEPT_S
        return found

    async def _energy(self, sender: str, contract: str, recipient: str, amount_raw: int) -> int:
        data = TRANSFER_SELECTOR.hex() + address_word(recipient) + f"{amount_raw:064x}"
        energy = (await simulate(self._nodes, contract, sender, data)).energy
        if energy <= 0:
            raise UnreadableAnswer(f"{self._config.key}: a simulated transfer takes no energy")
        return energy

    async def _stake_rate(self) -> tuple[int, int]:
        """The energy a day that all staked coin together gives, and that coin, in sun."""
        for address in (self._config.hot_wallet_address, VOID):
            if address is None:
                continue
            answer = await self._nodes.find("wallet/getaccountresource", {"address": to_hex(address)}, WireUse)
            if answer is not None and answer.total_energy_limit > 0 and answer.total_energy_weight > 0:
                return answer.total_energy_limit, answer.total_energy_weight * SUN_PER_TRX
        return 1, UNKNOWN_STAKE


_PRICES = ("getEnergyFee", "getTransactionFee", "getCreateNewAccountFeeInSystemContract")


def _size(sender: str, action: Action, fee_limit_raw: int = 0) -> int:
    """The size of a transaction that is not made yet: times and references have the same length in all of them."""
    now_ms = int(clock.now().timestamp() * 1_000)
    body = Body(
        owner=sender,
        action=action,
        ref_block_bytes=bytes(2),
        ref_block_hash=bytes(8),
        expiration_ms=now_ms,
        timestamp_ms=now_ms,
        fee_limit_raw=fee_limit_raw,
    )
    return size(body)
