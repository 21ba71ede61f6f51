"""Tables of outgoing payments: what payouts and refunds share, approvals, holds, and transactions sent to the chain."""

from piccolo.columns import BigSerial, ForeignKey, OnDelete, OnUpdate, Varchar
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from app.accounts.tables import Account
from app.addresses.tables import DepositAddress
from app.core import columns
from app.merchants.tables import Merchant


class Withdrawal(Table, tablename="withdrawals"):
    """A payout or a refund: `id` is its public id. Amount, fee and destination never change once it is there.

    `source` is the ledger that pays: the merchant's, or `platform:suspense` for the return of a deposit that was
    nobody's; `merchant` is null only there, where the deposit has no invoice. `held` keeps it from being sent until
    an operator releases it; `waiting_reason` says why nothing happens. `digest` is what an approval approves
    (withdrawals/digest.py).
    """

    id = columns.public_id()
    kind = columns.words(10)
    merchant = columns.reference(Merchant, null=True)
    mode = columns.words(4)
    network = columns.words(40)
    asset = columns.words(20)
    source = columns.words(20)
    amount_raw = columns.raw_amount()
    fee_raw = columns.raw_amount()
    destination = columns.words(100)
    destination_memo = columns.words(100, null=True)
    status = columns.words(20)
    held = columns.flag()
    waiting_reason = columns.words(200, null=True)
    requested_by = columns.words(64)
    digest = columns.digest()
    approvals_required = columns.number()
    decision_reason = columns.text(null=True)
    created_at = columns.moment()
    approved_at = columns.moment(null=True)
    submitted_at = columns.moment(null=True)
    settled_at = columns.moment(null=True)

    withdrawals_kind_known = columns.one_of("kind", "payout", "refund")
    withdrawals_status_known = columns.one_of(
        "status", "pending_approval", "approved", "submitted", "confirmed", "rejected", "failed", "cancelled"
    )
    withdrawals_amounts_sane = Check("amount_raw > 0 AND fee_raw >= 0")
    withdrawals_approvals_sane = Check("approvals_required BETWEEN 1 AND 2")
    withdrawals_merchant_known = Check("merchant IS NOT NULL OR source = 'platform:suspense'")


class WithdrawalHold(Table, tablename="withdrawal_holds"):
    """Nothing that this ledger pays in this asset is sent, until an operator releases the hold.

    Placed when a deep reorganisation has taken a booked deposit away. While it is open, every withdrawal of the
    ledger that is not sent yet, and every new one, is `held`.
    """

    id = BigSerial(primary_key=True)
    source = columns.words(20)
    network = columns.words(40)
    asset = columns.words(20)
    reason = columns.text()
    placed_at = columns.moment()
    released_at = columns.moment(null=True)
    released_by = columns.words(64, null=True)
    release_reason = columns.text(null=True)

    withdrawal_holds_released_whole = Check(
        "(released_at IS NULL) = (released_by IS NULL) AND (released_at IS NULL) = (release_reason IS NULL)"
    )


class Approval(Table, tablename="approvals"):
    """One operator's approval of one withdrawal with exactly this digest. Rows are only ever added."""

    id = BigSerial(primary_key=True)
    withdrawal = columns.reference(Withdrawal)
    account = columns.reference(Account)
    digest = columns.digest()
    created_at = columns.moment()

    approvals_once = Unique(["withdrawal", "account"])


class ApprovalSignature(Table, tablename="approval_signatures"):
    """What an operator's passkey has signed of an approval: `answer` is WebAuthn's JSON, whose challenge is `digest`.
    Rows are only ever added. The signer checks them against its own file (signer/approvers.py)."""

    id = BigSerial(primary_key=True)
    withdrawal = columns.reference(Withdrawal)
    account = columns.reference(Account)
    digest = columns.digest()
    passkey_name = columns.words(60)
    answer = columns.text()
    created_at = columns.moment()

    approval_signatures_once = Unique(["withdrawal", "account"])


class SignerApprover(Table, tablename="signer_approvers"):
    """A passkey that the signer's own file names, as it said at its start (signer/approvers.py). Nothing trusts it."""

    id = BigSerial(primary_key=True)
    name = columns.words(100)
    fingerprint = columns.words(80)
    read_at = columns.moment()


class WalletNonce(Table, tablename="wallet_nonces"):
    """The next nonce of an address that we send from: locked by each signature. Where accounts count no transactions,
    it is the least salt of the next one: a millisecond that no other transaction of the address has."""

    id = BigSerial(primary_key=True)
    network = columns.words(40)
    address = columns.words(100)
    next_nonce = columns.big_number()

    wallet_nonces_once = Unique(["network", "address"])


class OutgoingTransaction(Table, tablename="outgoing_transactions"):
    """A signed transaction, stored before it is sent. What is sent again is `signed_bytes`, those same bytes.

    `purpose` says what for: a withdrawal (or several), a sweep of a deposit address to the hot wallet, gas for such a
    sweep, a move of staked coin, which pays nothing. A fee bump is another row that `replaces` this one, as is an
    attempt after one that no block can hold any more; `lineage` is the id of the first of such attempts, and
    at most one attempt of a lineage is ever final. What they pay is in OutgoingPayment, what they use up on chain in
    OutgoingClaim. `from_address` is that of chains with accounts, `nonce` of those whose accounts count their
    transactions; null on others.

    `form` (JSON) is what the chain's adapter needs besides to make the same bytes again. `fee_cap_raw` is the most that
    the transaction can cost, `fee_raw` what it has cost once it is final, and `fee_booked_raw` what the books say of
    it, all in the native coin's minor units.
    """

    id = BigSerial(primary_key=True)
    network = columns.words(40)
    purpose = columns.words(12)
    lineage = columns.big_number()
    replaces = columns.big_number(null=True)
    from_address = columns.words(100, null=True)
    nonce = columns.big_number(null=True)
    txid = Varchar(length=80, default=None)
    signed_bytes = columns.digest()
    fee_cap_raw = columns.raw_amount()
    form = columns.text()
    status = columns.words(10)
    block_height = columns.big_number(null=True)
    block_hash = columns.words(80, null=True)
    fee_raw = columns.raw_amount(null=True)
    fee_booked_raw = columns.raw_amount(null=True)
    created_at = columns.moment()
    submitted_at = columns.moment(null=True)
    settled_at = columns.moment(null=True)

    outgoing_transactions_txid_once = Unique(["network", "txid"])
    outgoing_transactions_purpose_named = columns.one_of("purpose", "withdrawal", "sweep", "gas", "stake")
    outgoing_transactions_status_known = columns.one_of(
        "status", "signed", "submitted", "confirmed", "reverted", "replaced"
    )
    outgoing_transactions_lineage_first = Check("(replaces IS NULL) = (lineage = id)")
    outgoing_transactions_nonce_of_account = Check("nonce IS NULL OR from_address IS NOT NULL")


class OutgoingPayment(Table, tablename="outgoing_payments"):
    """One payment of a transaction, at its position in the bytes. Rows are only ever added.

    `withdrawal` is null for moves between our own addresses. Every transaction that pays a withdrawal belongs to one
    lineage, so that at most one of them is ever confirmed.
    """

    id = BigSerial(primary_key=True)
    transaction = columns.reference(OutgoingTransaction)
    network = columns.words(40)
    position = columns.number()
    withdrawal = columns.reference(Withdrawal, null=True)
    to_address = columns.words(100)
    asset = columns.words(20)
    amount_raw = columns.raw_amount()

    outgoing_payments_position_once = Unique(["transaction", "position"])
    outgoing_payments_positive = Check("amount_raw > 0")


class OutgoingClaim(Table, tablename="outgoing_claims"):
    """What a transaction uses up on chain: `nonce:<address>:<n>` of an account, or a coin; or the time until which a
    block may hold it, `until:<address>:<expiration>:<salt>`. Rows are only ever added.

    Of two transactions with a common claim only one can be final. No two lineages have a common claim while both live.
    """

    id = BigSerial(primary_key=True)
    network = columns.words(40)
    claim = columns.words(140)
    transaction = columns.reference(OutgoingTransaction)

    outgoing_claims_once = Unique(["network", "claim", "transaction"])


class Coin(Table, tablename="coins"):
    """One of our coins on a chain of coins: output `vout` of a transaction, to address /branch/index of our account.
    Branch 0 is for receiving, 1 for change. The watcher keeps the rows, in the transaction that stores the blocks.

    `height` and `block_hash` are null while no block has it: change of our own, which the signer adds with the signed
    transaction, or a coin of a dead block that a transaction of ours spends. `is_change`: a transaction of ours has
    made it. A reward can be spent from the height `matures_at` on. `spent_by` is the transaction that spends it in a
    block, the one at `spent_height` with the hash `spent_hash`: what is signed and unmined stands in OutgoingClaim.
    """

    id = BigSerial(primary_key=True)
    network = columns.words(40)
    txid = columns.words(80)
    vout = columns.number()
    amount_raw = columns.raw_amount()
    address = columns.words(100)
    branch = columns.number()
    index = columns.number()
    height = columns.big_number(null=True)
    block_hash = columns.words(80, null=True)
    matures_at = columns.big_number(null=True)
    is_change = columns.flag()
    spent_by = columns.words(80, null=True)
    spent_height = columns.big_number(null=True)
    spent_hash = columns.words(80, null=True)
    seen_at = columns.moment()

    coins_outpoint_once = Unique(["network", "txid", "vout"])
    coins_amount_positive = Check("amount_raw > 0")
    coins_address_ours = Check("branch IN (0, 1) AND index >= 0")
    coins_block_whole = Check("(height IS NULL) = (block_hash IS NULL) AND (matures_at IS NULL OR height IS NOT NULL)")
    coins_spent_whole = Check(
        "(spent_by IS NULL) = (spent_height IS NULL) AND (spent_by IS NULL) = (spent_hash IS NULL)"
    )
    coins_spent_after_made = Check("spent_height IS NULL OR (height IS NOT NULL AND spent_height >= height)")


class ChangeAddress(Table, tablename="change_addresses"):
    """An address of the change branch, /1/index, that our transactions may pay. The signer adds it before it signs.
    Rows are only ever added. Index 0 is the hot wallet's address and has no row."""

    id = BigSerial(primary_key=True)
    network = columns.words(40)
    index = columns.number()
    address = columns.words(100)

    change_addresses_index_once = Unique(["network", "index"])
    change_addresses_address_once = Unique(["network", "address"])
    change_addresses_index_sane = Check("index >= 1")


class AccountTransaction(Table, tablename="account_transactions"):
    """A transaction in a block that an account of ours has signed, or that took a token from it, on chains whose
    accounts don't count their transactions. The watcher keeps the rows, in the transaction that stores the blocks: so
    a transaction of ours that has no row is in no scanned block.

    `accounted_at`: an operator has accounted for a transaction of the hot wallet that the signer did not store.
    """

    id = BigSerial(primary_key=True)
    network = columns.words(40)
    txid = columns.words(80)
    address = columns.words(100)
    height = columns.big_number()
    block_hash = columns.words(80)
    accounted_at = columns.moment(null=True)

    account_transactions_once = Unique(["network", "txid", "address"])


class ConsolidationPolicy(Table, tablename="consolidation_policies"):
    """An operator's approval that the signer merges a network's small coins by itself, up to a fee rate in the chain's
    own unit. One holds for a network at a time; it ends when it is revoked, and nothing else of it changes."""

    id = BigSerial(primary_key=True)
    network = columns.words(40)
    max_fee_rate = columns.big_number()
    approved_by = columns.reference(Account)
    approved_at = columns.moment()
    revoked_by = columns.reference(Account, null=True)
    revoked_at = columns.moment(null=True)

    consolidation_policies_rate_positive = Check("max_fee_rate > 0")
    consolidation_policies_revoked_whole = Check("(revoked_at IS NULL) = (revoked_by IS NULL)")


class HotWalletReceipt(Table, tablename="hot_wallet_receipts"):
    """A transfer to the hot wallet that is not one of our own: an operator's top-up, the treasury's once final.

    `from_address` is null where no single sender is known. `reversed`: a deep reorganisation took it away after it was
    booked; the same transfer may come again.
    """

    id = BigSerial(primary_key=True)
    network = columns.words(40)
    txid = Varchar(length=80, default=None)
    log_index = columns.number()
    asset = columns.words(20)
    from_address = columns.words(100, null=True)
    amount_raw = columns.raw_amount()
    block_height = columns.big_number()
    block_hash = columns.words(80)
    seen_at = columns.moment()
    status = columns.words(10)
    settled_at = columns.moment(null=True)

    hot_wallet_receipts_status_known = columns.one_of("status", "seen", "orphaned", "booked", "reversed")
    hot_wallet_receipts_positive = Check("amount_raw > 0")


class HotWalletLook(Table, tablename="hot_wallet_looks"):
    """What the hot wallet held of an asset when the signer last read it (signer/wallet_snapshot.py).

    `free_raw` of it is not promised to a transaction under way. `gas_left_raw`, of the native coin alone, is what
    the treasury may still spend on gas.
    """

    id = BigSerial(primary_key=True)
    network = columns.words(40)
    asset = columns.words(20)
    held_raw = columns.raw_amount()
    free_raw = columns.raw_amount()
    gas_left_raw = columns.raw_amount(null=True)
    looked_at = columns.moment()

    hot_wallet_looks_once = Unique(["network", "asset"])


class FeeLook(Table, tablename="fee_looks"):
    """What the signer would offer for a place in a block, when it last asked: the fee for 1,000 units of a
    transaction's size, in minor units of the native coin. Without a rate, `problem` says why nothing is sent."""

    id = BigSerial(primary_key=True)
    network = columns.words(40)
    rate_raw = columns.raw_amount(null=True)
    problem = columns.words(200, null=True)
    looked_at = columns.moment()

    fee_looks_once = Unique(["network"])
    fee_looks_rate_or_problem = Check("(rate_raw IS NULL) <> (problem IS NULL)")


class ResourceLook(Table, tablename="resource_looks"):
    """What the hot wallet has to pay fees with besides coin, and what resources cost, when the signer last asked
    (`Resources` and `Prices` of app/networks/sending.py). All amounts are in minor units of the native coin."""

    id = BigSerial(primary_key=True)
    network = columns.words(40)
    energy = columns.big_number()
    energy_limit = columns.big_number()
    bytes_staked = columns.big_number()
    bytes_free = columns.big_number()
    spendable_raw = columns.raw_amount()
    staked_raw = columns.raw_amount()
    lendable_raw = columns.raw_amount()
    lent_raw = columns.raw_amount()
    energy_price_raw = columns.raw_amount()
    byte_price_raw = columns.raw_amount()
    activation_raw = columns.raw_amount()
    energy_per_stake = columns.raw_amount()
    stake_for_energy = columns.raw_amount()
    looked_at = columns.moment()

    resource_looks_once = Unique(["network"])


class SignerPresence(Table, tablename="signer_presence"):
    """When a network's signer was there last, by its own clock (app/signer/timed_presence.py)."""

    id = BigSerial(primary_key=True)
    network = columns.words(40)
    present_at = columns.moment()

    signer_presence_once = Unique(["network"])


class TransferLook(Table, tablename="transfer_looks"):
    """What a transfer of an asset took when the signer last asked: a payout, or a sweep (`Cost` of
    app/networks/sending.py). `size` is in bytes, `fee_limit_raw` in minor units of the native coin."""

    id = BigSerial(primary_key=True)
    network = columns.words(40)
    asset = columns.words(20)
    purpose = columns.words(10)
    energy = columns.big_number()
    size = columns.number()
    fee_limit_raw = columns.raw_amount()
    looked_at = columns.moment()

    transfer_looks_once = Unique(["network", "asset", "purpose"])
    transfer_looks_purpose_known = columns.one_of("purpose", "payout", "sweep")


class SweepCandidate(Table, tablename="sweep_candidates"):
    """A deposit address that may hold enough of an asset to be swept. Deleted once it is swept or holds too little.

    On chains with energy, the rest is what the signer found when it last looked, for operators: what the address held,
    the `way` that its sweep goes (app/signer/sweep_choice.py), and what that costs in minor units of the native coin,
    null where it isn't known. `is_dear`: it costs more of what it moves than the networks file allows.
    """

    id = BigSerial(primary_key=True)
    network = columns.words(40)
    asset = columns.words(20)
    deposit_address = columns.reference(DepositAddress)
    noticed_at = columns.moment()
    amount_raw = columns.raw_amount(null=True)
    way = columns.words(8, null=True)
    cost_raw = columns.raw_amount(null=True)
    is_dear = columns.switch()
    looked_at = columns.moment(null=True)

    sweep_candidates_once = Unique(["deposit_address", "asset"])
    sweep_candidates_way_known = columns.one_of("way", "own", "lend", "burn", "wait")
    sweep_candidates_look_whole = Check(
        "(looked_at IS NULL) = (amount_raw IS NULL) AND (looked_at IS NULL) = (way IS NULL)"
        " AND (looked_at IS NOT NULL OR cost_raw IS NULL)"
    )


class SweepMark(Table, tablename="sweep_marks"):
    """Deposits that were settled before this moment have been noticed as candidates."""

    network = columns.words(40, primary_key=True)
    settled_through = columns.moment()


class EnergyLoan(Table, tablename="energy_loans"):
    """The energy of `stake_raw` staked coin, lent to a deposit address for its sweep and taken back afterwards.

    What became of it is the state of the two transactions. `reclaimed_by` is set again where the first one failed.
    """

    id = BigSerial(primary_key=True)
    network = columns.words(40)
    to_address = columns.words(100)
    stake_raw = columns.raw_amount()
    lent_by = columns.reference(OutgoingTransaction)
    reclaimed_by = columns.reference(OutgoingTransaction, null=True)

    energy_loans_positive = Check("stake_raw > 0")


class DearSweepApproval(Table, tablename="dear_sweep_approvals"):
    """An operator's approval of one sweep that is dear: it may cost up to `up_to_raw` of the native coin.

    One holds for an address and asset at a time. It ends when its sweep is signed, or when it is revoked, and nothing
    else of it changes.
    """

    id = BigSerial(primary_key=True)
    network = columns.words(40)
    asset = columns.words(20)
    address = columns.words(100)
    up_to_raw = columns.raw_amount()
    approved_by = columns.reference(Account)
    approved_at = columns.moment()
    used_by = columns.reference(OutgoingTransaction, null=True)
    revoked_by = columns.reference(Account, null=True)
    revoked_at = columns.moment(null=True)

    dear_sweep_approvals_positive = Check("up_to_raw > 0")
    dear_sweep_approvals_revoked_whole = Check("(revoked_at IS NULL) = (revoked_by IS NULL)")
    dear_sweep_approvals_one_end = Check("used_by IS NULL OR revoked_at IS NULL")


class StakeRequest(Table, tablename="stake_requests"):
    """What an operator asks of the hot wallet's stake: `stake` or `unstake` so much coin, or `withdraw` what was
    unstaked long enough ago (its amount is 0). The signer does one after another, the oldest first.

    `waiting_reason` says why it isn't signed yet. `failed`: the network has refused it, or has not taken it in time.
    """

    id = BigSerial(primary_key=True)
    network = columns.words(40)
    action = columns.words(8)
    amount_raw = columns.raw_amount()
    requested_by = columns.reference(Account)
    requested_at = columns.moment()
    waiting_reason = columns.words(200, null=True)
    transaction = columns.reference(OutgoingTransaction, null=True)
    outcome = columns.words(10, null=True)
    ended_at = columns.moment(null=True)
    cancelled_by = columns.reference(Account, null=True)

    stake_requests_action_known = columns.one_of("action", "stake", "unstake", "withdraw")
    stake_requests_outcome_known = columns.one_of("outcome", "done", "failed", "cancelled")
    stake_requests_amount_sane = Check("CASE WHEN action = 'withdraw' THEN amount_raw = 0 ELSE amount_raw > 0 END")
    stake_requests_ended_whole = Check("(ended_at IS NULL) = (outcome IS NULL)")
    stake_requests_cancelled_whole = Check("(cancelled_by IS NOT NULL) = (outcome IS NOT DISTINCT FROM 'cancelled')")


class FrozenAddress(Table, tablename="frozen_addresses"):
    """What an address of ours holds of a token whose issuer has stopped it: nothing of it can be moved.

    `amount_raw` is what it held when it was looked at last, at `checked_at`. The case is open until the issuer has let
    the address go, at `ended_at`; of an address and asset one is open at a time.
    """

    id = BigSerial(primary_key=True)
    network = columns.words(40)
    asset = columns.words(20)
    address = columns.words(100)
    amount_raw = columns.raw_amount()
    found_at = columns.moment()
    checked_at = columns.moment()
    ended_at = columns.moment(null=True)

    frozen_addresses_amount_sane = Check("amount_raw >= 0")
    frozen_addresses_in_order = Check("checked_at >= found_at AND (ended_at IS NULL OR ended_at >= found_at)")


class WithdrawalPreview(Table, tablename="withdrawal_previews"):
    """What a withdrawal that nothing is signed for would cost, and what the chain says of its destination, when the
    signer last looked (app/signer/funds.py, `Preview`). The operators' pages show it."""

    withdrawal = ForeignKey(
        references=Withdrawal,
        primary_key=True,
        default=None,
        null=False,
        on_delete=OnDelete.restrict,
        on_update=OnUpdate.restrict,
    )
    cost_raw = columns.raw_amount(null=True)
    cost_in_words = columns.words(200)
    is_contract = columns.flag()
    is_new_account = columns.flag()
    is_frozen = columns.flag()
    is_paused = columns.flag()
    fee_bps = columns.number()
    looked_at = columns.moment()

    withdrawal_previews_sane = Check("fee_bps >= 0 AND (cost_raw IS NULL OR cost_raw >= 0)")
