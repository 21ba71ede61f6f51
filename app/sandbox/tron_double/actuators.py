"""What a transaction does: java-tron's checks and effects of each type, and what each costs.

Effects are made on a draft of the accounts, so that a refused transaction changes nothing.
"""

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from app.sandbox.tron_double import resources
from app.sandbox.tron_double.accounts import DAY_MS, SUN_PER_TRX, Account, Loan, Resource, Unstaking, total
from app.sandbox.tron_double.rules import Refused
from app.sandbox.tron_double.state import State, Transaction

Json = dict[str, Any]

LOCK_BLOCKS = 86_400
"""How long a locked loan lasts where it does not say."""

BLOCK_MS = 3_000
MOST_UNSTAKINGS = 32


class Draft:
    """Accounts as a transaction would leave them. `read` gives those that it has not changed."""

    def __init__(self, state: State, read: Callable[[str], Account | None], now_ms: int) -> None:
        self.state = state
        self.now_ms = now_ms
        self.changes: dict[str, Account] = {}
        self._read = read

    def find(self, address: str) -> Account | None:
        """An account, None if it was never activated."""
        return self.changes.get(address) or self._read(address)

    def get(self, address: str) -> Account:
        """An account. Raises Refused if it was never activated."""
        if (account := self.find(address)) is None:
            raise _invalid(f"Account[{address}] not exists")
        return account

    def put(self, address: str, account: Account) -> None:
        """Change an account."""
        self.changes[address] = account

    def add(self, address: str, sun: int) -> None:
        """Add to what an account holds; one that was never activated is activated. Raises Refused."""
        account = self.find(address) or Account(created_ms=self.now_ms)
        if account.balance_sun + sun < 0:
            raise _invalid("Validate InternalTransfer error, balance is not sufficient.")
        self.put(address, replace(account, balance_sun=account.balance_sun + sun))


class Bill:
    """What a transaction has cost so far, and what else its receipt says."""

    def __init__(self) -> None:
        self.fee = 0
        self.net_usage = 0
        self.net_fee = 0
        self.extra: Json = {}


def apply(draft: Draft, tx: Transaction) -> Bill:
    """Charge for a transaction's size and do what it does; a contract call itself is not made. Raises Refused."""
    value, bill, state = tx.value, Bill(), draft.state
    owner = str(value["owner_address"])
    activates = _activates(draft, tx)
    account, bill.net_usage, bill.net_fee = resources.pay_for_bandwidth(
        state, draft.get(owner), tx.size, draft.now_ms, activates=activates is not None
    )
    bill.fee = bill.net_fee
    if len(tx.signatures) > 1:
        bill.fee += state.parameters["getMultiSignFee"]
    if tx.content.get("data"):
        bill.fee += state.parameters["getMemoFee"]
    draft.put(owner, _burn(account, bill.fee - bill.net_fee))
    most = state.parameters["getMaxFeeLimit"]
    if not 0 <= int(tx.content.get("fee_limit", 0)) <= most:
        raise _invalid(f"feeLimit must be >= 0 and <= {most}")
    _ACTUATORS[tx.kind](draft, owner, value, bill)
    if activates is not None:
        _charge(draft, owner, bill, "getCreateNewAccountFeeInSystemContract")
    return bill


def _activates(draft: Draft, tx: Transaction) -> str | None:
    """The account that a transaction makes, None if it makes none."""
    name = {"TransferContract": "to_address", "TransferAssetContract": "to_address"}
    name["AccountCreateContract"] = "account_address"
    address = tx.value.get(name.get(tx.kind, ""))
    return None if address is None or draft.find(address) is not None else str(address)


def _transfer(draft: Draft, owner: str, value: Json, bill: Bill) -> None:
    amount, to = int(value.get("amount", 0)), str(value["to_address"])
    if to == owner:
        raise _invalid("Cannot transfer TRX to yourself.")
    if amount <= 0:
        raise _invalid("Amount must be greater than 0.")
    recipient = draft.find(to)
    if recipient is not None and recipient.is_contract and draft.state.parameters["getForbidTransferToContract"]:
        raise _invalid("Cannot transfer TRX to a smartContract.")
    if draft.get(owner).balance_sun < amount:
        raise _invalid("Validate TransferContract error, balance is not sufficient.")
    draft.add(owner, -amount)
    draft.add(to, amount)


def _transfer_asset(draft: Draft, owner: str, value: Json, bill: Bill) -> None:
    token = bytes.fromhex(value["asset_name"]).decode()
    amount, to, sender = int(value.get("amount", 0)), str(value["to_address"]), draft.get(owner)
    if amount <= 0 or sender.tokens.get(token, 0) < amount:
        raise _invalid("assetBalance is not sufficient.")
    recipient = draft.find(to) or Account(created_ms=draft.now_ms)
    draft.put(owner, replace(sender, tokens={**sender.tokens, token: sender.tokens[token] - amount}))
    draft.put(to, replace(recipient, tokens={**recipient.tokens, token: recipient.tokens.get(token, 0) + amount}))


def _create(draft: Draft, owner: str, value: Json, bill: Bill) -> None:
    if draft.find(address := str(value["account_address"])) is not None:
        raise _invalid("Account has existed")
    draft.add(address, 0)


def _withdraw_rewards(draft: Draft, owner: str, value: Json, bill: Bill) -> None:
    account = draft.get(owner)
    if account.allowance_sun <= 0:
        raise _invalid("witnessAccount does not have any reward")
    bill.extra["withdraw_amount"] = account.allowance_sun
    draft.put(owner, replace(account, balance_sun=account.balance_sun + account.allowance_sun, allowance_sun=0))


def _call(draft: Draft, owner: str, value: Json, bill: Bill) -> None:
    """What is checked of a contract call before it is made; the call's value moves within it."""
    if value["contract_address"] not in draft.state.contracts:
        raise _invalid("No contract or not a valid smart contract")
    if draft.get(owner).balance_sun < int(value.get("call_value", 0)):
        raise _invalid("Validate InternalTransfer error, balance is not sufficient.")


def _change_permissions(draft: Draft, owner: str, value: Json, bill: Bill) -> None:
    if not value.get("owner", {}).get("keys"):
        raise _invalid("owner permission is missed")
    _charge(draft, owner, bill, "getUpdateAccountPermissionFee")
    permissions = {"owner": value["owner"], "actives": value.get("actives", [])}
    draft.put(owner, replace(draft.get(owner), permissions=permissions))


def _stake(draft: Draft, owner: str, value: Json, bill: Bill) -> None:
    sun = int(value.get("frozen_balance", 0))
    if sun < SUN_PER_TRX:
        raise _invalid("frozenBalance must be greater than or equal to 1 TRX")
    if draft.get(owner).balance_sun < sun:
        raise _invalid("frozenBalance must be less than or equal to accountBalance")
    draft.add(owner, -sun)
    draft.put(owner, draft.get(owner).with_stake(_resource(value), sun))


def _unstake(draft: Draft, owner: str, value: Json, bill: Bill) -> None:
    sun, resource = int(value.get("unfreeze_balance", 0)), _resource(value)
    _give_back(draft, owner, bill)
    account = draft.get(owner)
    if sun <= 0 or account.staked.get(resource, 0) < sun:
        raise _invalid(f"Invalid unfreeze_balance, [{sun}] is error")
    if len(account.unstaking) >= MOST_UNSTAKINGS:
        raise _invalid(f"Invalid unfreeze operation, unfreezing times is over limit {MOST_UNSTAKINGS}")
    at_ms = draft.now_ms + draft.state.parameters["getUnfreezeDelayDays"] * DAY_MS
    waiting = (*account.unstaking, Unstaking(sun, at_ms, resource))
    draft.put(owner, replace(account.with_stake(resource, -sun), unstaking=waiting))


def _withdraw_stake(draft: Draft, owner: str, value: Json, bill: Bill) -> None:
    _give_back(draft, owner, bill)
    if "withdraw_expire_amount" not in bill.extra:
        raise _invalid("no unFreeze balance to withdraw ")


def _give_back(draft: Draft, owner: str, bill: Bill) -> None:
    account = draft.get(owner)
    due = [entry for entry in account.unstaking if entry.at_ms <= draft.now_ms]
    if due:
        bill.extra["withdraw_expire_amount"] = total(due)
        rest = tuple(entry for entry in account.unstaking if entry not in due)
        draft.put(owner, replace(account, balance_sun=account.balance_sun + total(due), unstaking=rest))


def _lend(draft: Draft, owner: str, value: Json, bill: Bill) -> None:
    sun, resource, to = int(value.get("balance", 0)), _resource(value), str(value["receiver_address"])
    account = draft.get(owner)
    if sun < SUN_PER_TRX:
        raise _invalid("delegateBalance must be greater than or equal to 1 TRX")
    if resources.lendable_sun(draft.state, account, resource, draft.now_ms) < sun:
        raise _invalid(
            f"delegateBalance must be less than or equal to available Freeze{resource.capitalize()}V2 balance"
        )
    if to == owner:
        raise _invalid("receiverAddress must not be the same as ownerAddress")
    receiver = draft.get(to)
    if receiver.is_contract:
        raise _invalid("Do not allow delegate resources to contract addresses")
    old = account.loans.get(resource, {}).get(to, Loan(0))
    until_ms = old.until_ms
    if value.get("lock"):
        blocks = int(value.get("lock_period", 0)) or LOCK_BLOCKS
        if blocks > draft.state.parameters["getMaxDelegateLockPeriod"]:
            raise _invalid("The lock period of delegate resource cannot be less than 0 and cannot exceed the limit!")
        until_ms = draft.now_ms + blocks * BLOCK_MS
        if until_ms < old.until_ms:
            raise _invalid("The lock period for this time cannot be less than the remaining time of the last lock!")
    lent = Loan(old.sun + sun, until_ms)
    draft.put(owner, account.with_stake(resource, -sun).with_loan(resource, to, lent))
    draft.put(to, receiver.with_borrowed(resource, sun))


def _take_back(draft: Draft, owner: str, value: Json, bill: Bill) -> None:
    """Take a loan back. The part of the receiver's usage that it stood for is the owner's from now on."""
    sun, resource, to = int(value.get("balance", 0)), _resource(value), str(value["receiver_address"])
    account, receiver = draft.get(owner), draft.find(to)
    loan = account.loans.get(resource, {}).get(to)
    if loan is None:
        raise _invalid("delegated Resource does not exist")
    if sun <= 0 or loan.sun < sun or loan.until_ms > draft.now_ms:
        raise _invalid(f"insufficient delegatedFrozenBalance({resource}), request={sun}, unlock_balance={loan.sun}")
    moved = 0
    if receiver is not None:
        usage, backing = receiver.usage(resource).now(draft.now_ms), receiver.backing_sun(resource)
        moved = min(usage * sun // backing, resources.limit(draft.state, receiver, resource) * sun // backing)
        receiver = receiver.with_usage(resource, receiver.usage(resource).plus(-moved, draft.now_ms))
        draft.put(to, receiver.with_borrowed(resource, -sun))
    account = account.with_stake(resource, sun).with_loan(resource, to, Loan(loan.sun - sun, loan.until_ms))
    draft.put(owner, account.with_usage(resource, account.usage(resource).plus(moved, draft.now_ms)))


def _resource(value: Json) -> Resource:
    name = value.get("resource", "BANDWIDTH")
    if name not in ("BANDWIDTH", "ENERGY"):
        raise _invalid("ResourceCode error, valid ResourceCode[BANDWIDTH、Energy]")
    return "ENERGY" if name == "ENERGY" else "BANDWIDTH"


def _charge(draft: Draft, owner: str, bill: Bill, parameter: str) -> None:
    fee = draft.state.parameters[parameter]
    draft.put(owner, _burn(draft.get(owner), fee))
    bill.fee += fee


def _burn(account: Account, sun: int) -> Account:
    return resources.burn(
        account,
        sun,
        "CONTRACT_VALIDATE_ERROR",
        "Contract validate error : Validate TransferContract error, balance is not sufficient.",
    )


def _invalid(message: str) -> Refused:
    return Refused("CONTRACT_VALIDATE_ERROR", f"Contract validate error : {message}")


_ACTUATORS: dict[str, Callable[[Draft, str, Json, Bill], None]] = {
    "AccountCreateContract": _create,
    "TransferContract": _transfer,
    "TransferAssetContract": _transfer_asset,
    "WithdrawBalanceContract": _withdraw_rewards,
    "TriggerSmartContract": _call,
    "AccountPermissionUpdateContract": _change_permissions,
    "FreezeBalanceV2Contract": _stake,
    "UnfreezeBalanceV2Contract": _unstake,
    "WithdrawExpireUnfreezeContract": _withdraw_stake,
    "DelegateResourceContract": _lend,
    "UnDelegateResourceContract": _take_back,
}
