"""Answers of java-tron's HTTP API, with the fields that we need.

Its JSON leaves out what is zero, false or empty, so most fields have a default. Addresses are 42 hexadecimal digits
(in logs 40), and ids 64, all in lower case. Amounts are numbers.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

Hash = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
Digits = Annotated[str, Meta(pattern=r"\A([0-9a-f]{2})*\Z")]
Count = Annotated[int, Meta(ge=0)]

TRANSFER = "TransferContract"
CALL = "TriggerSmartContract"
CREATION = "CreateSmartContract"
PERMISSION_CHANGE = "AccountPermissionUpdateContract"
SUCCESS = "SUCCESS"


class WireHeaderData(msgspec.Struct, frozen=True, rename={"parent_hash": "parentHash"}):
    """What a block's header says. Times are in milliseconds since 1970."""

    parent_hash: Hash
    number: Count = 0
    timestamp: Count = 0


class WireHeader(msgspec.Struct, frozen=True):
    """A header."""

    raw_data: WireHeaderData


class WireBlockHeader(msgspec.Struct, frozen=True, rename={"block_id": "blockID"}):
    """A block, of which only the header is read."""

    block_id: Hash
    block_header: WireHeader


class WireBlock(WireBlockHeader, frozen=True):
    """A block whose transactions are decoded later, as `list[WireTransaction]`. An empty block has no such field."""

    transactions: msgspec.Raw = msgspec.Raw(b"[]")


class WireBlocks(msgspec.Struct, frozen=True):
    """Blocks one after another. Those above the head are not there."""

    block: list[WireBlock] = []


class WireRet(msgspec.Struct, frozen=True, rename={"contract_ret": "contractRet"}):
    """A transaction's outcome, as its block has it."""

    contract_ret: str = ""


class WireParameter(msgspec.Struct, frozen=True):
    """What a contract does; its fields depend on the contract's type."""

    value: msgspec.Raw = msgspec.Raw(b"{}")


class WireContract(msgspec.Struct, frozen=True):
    """The one action of a transaction."""

    type: str
    parameter: WireParameter


class WireRawData(msgspec.Struct, frozen=True):
    """A transaction's signed part. Unknown fields are left alone: others use them."""

    contract: list[WireContract]


class WireTransaction(msgspec.Struct, frozen=True, rename={"txid": "txID"}):
    """A transaction in a block."""

    txid: Hash
    raw_data: WireRawData
    ret: list[WireRet] = []


class WireOwner(msgspec.Struct, frozen=True):
    """Of any action: who has signed it, and the coin that a contract is called with."""

    owner_address: str = ""
    call_value: Count = 0


class WireNewContract(msgspec.Struct, frozen=True):
    """The coin that a contract is created with."""

    call_value: Count = 0


class WireCreation(msgspec.Struct, frozen=True):
    """The creation of a contract."""

    new_contract: WireNewContract = WireNewContract()


class WireTransfer(msgspec.Struct, frozen=True):
    """A transfer of TRX."""

    owner_address: str
    to_address: str
    amount: Count = 0


class WireLog(msgspec.Struct, frozen=True):
    """An event of a contract, whose address has no 41 before it."""

    address: str
    topics: list[str] = []
    data: str = ""


class WireCallValue(msgspec.Struct, frozen=True, rename={"raw": "callValue", "token_id": "tokenId"}):
    """What an internal transaction carries: TRX, or with `token_id` a TRC-10 token."""

    raw: Count = 0
    token_id: str | int = ""


class WireInternal(
    msgspec.Struct,
    frozen=True,
    rename={"caller": "caller_address", "receiver": "transferTo_address", "values": "callValueInfo"},
):
    """A call that a contract has made."""

    caller: str = ""
    receiver: str = ""
    values: list[WireCallValue] = []
    rejected: bool = False


class WireReceipt(msgspec.Struct, frozen=True):
    """What a transaction has used. Only calls of contracts have a result."""

    result: str = ""


class WireInfo(
    msgspec.Struct, frozen=True, rename={"block_number": "blockNumber", "block_time_stamp": "blockTimeStamp"}
):
    """What a transaction in a block has done. `fee` is what it has burned of its owner's TRX, in sun, and
    `withdraw_amount` a reward that it has paid out to the owner."""

    id: Hash
    block_number: Count
    block_time_stamp: Count = 0
    fee: Count = 0
    receipt: WireReceipt = WireReceipt()
    log: list[WireLog] = []
    internal_transactions: list[WireInternal] = []
    withdraw_amount: Count = 0


class WireFrozen(msgspec.Struct, frozen=True):
    """Coin that is staked for one resource: bandwidth where `type` is left out."""

    type: str = "BANDWIDTH"
    amount: Count = 0


class WireUnfrozen(msgspec.Struct, frozen=True):
    """Coin that waits to be free again, from `unfreeze_expire_time` (milliseconds) on."""

    type: str = "BANDWIDTH"
    unfreeze_amount: Count = 0
    unfreeze_expire_time: Count = 0


class WireOldFrozen(msgspec.Struct, frozen=True):
    """Coin that is staked by the chain's first rules."""

    frozen_balance: Count = 0


class WireAccountResource(msgspec.Struct, frozen=True):
    """What of an account's coin is staked for energy, by the first rules or lent to others."""

    frozen_balance_for_energy: WireOldFrozen = WireOldFrozen()
    delegated_frozen_balance_for_energy: Count = 0
    delegated_frozen_v2_balance_for_energy: Annotated[int, Meta(ge=0)] = msgspec.field(
        name="delegated_frozenV2_balance_for_energy", default=0
    )


class WireKey(msgspec.Struct, frozen=True):
    """A key that may sign, and how much it counts."""

    address: str
    weight: Count = 0


class WirePermission(msgspec.Struct, frozen=True):
    """Which keys together may sign."""

    keys: list[WireKey] = []
    threshold: Count = 0


class WireAccount(msgspec.Struct, frozen=True):
    """An account that exists. All amounts are in sun."""

    address: str
    balance: Count = 0
    type: str = "Normal"
    frozen: list[WireOldFrozen] = []
    frozen_v2: list[WireFrozen] = msgspec.field(name="frozenV2", default_factory=list)
    unfrozen_v2: list[WireUnfrozen] = msgspec.field(name="unfrozenV2", default_factory=list)
    delegated_frozen_balance_for_bandwidth: Count = 0
    delegated_frozen_v2_balance_for_bandwidth: Annotated[int, Meta(ge=0)] = msgspec.field(
        name="delegated_frozenV2_balance_for_bandwidth", default=0
    )
    account_resource: WireAccountResource = WireAccountResource()
    owner_permission: WirePermission | None = None
    active_permission: list[WirePermission] = []


class WireCallResult(msgspec.Struct, frozen=True):
    """Whether a call that changes nothing worked: `result` alone does not say so."""

    result: bool = False
    code: str = ""
    message: str = ""


class WireConstantCall(msgspec.Struct, frozen=True):
    """`triggerconstantcontract`: what a call would give now. `energy_used` includes the contract's penalty."""

    result: WireCallResult
    constant_result: list[str] = []
    energy_used: Count = 0
    energy_penalty: Count = 0
