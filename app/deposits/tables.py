"""Tables of what was seen on chain: the scanned blocks, without a gap, the transfers to our addresses, and reviews."""

from piccolo.columns import Array, BigInt, BigSerial, Integer, Text, Varchar
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from app.addresses.tables import DepositAddress
from app.core import columns
from app.invoices.tables import Invoice
from app.merchants.tables import Merchant


class NetworkCursor(Table, tablename="network_cursors"):
    """How far a network has been read. `covered_until`: every block older than this has been scanned.

    `chain_identity` is what the chain is known by (`NetworkConfig.identity`). `halted_reason` is set when the watcher
    stopped because going on might skip something. `proven_height`: from the start to here the rows of `scanned_blocks`
    were read back and found to be one chain (coverage_repository.py). `kept_from`: lower rows were deleted after that.
    """

    network = columns.words(40, primary_key=True)
    chain_identity = columns.words(80)
    start_height = columns.big_number()
    scanned_height = columns.big_number()
    head_height = columns.big_number()
    covered_until = columns.moment()
    checked_at = columns.moment()
    halted_reason = columns.text(null=True)
    proven_height = BigInt(default=-1)
    kept_from = BigInt(default=0)


class NodeOutage(Table, tablename="node_outages"):
    """A network that can't be read now, and why. `is_syncing`: a node says itself that it is behind."""

    network = columns.words(40, primary_key=True)
    reason = columns.text()
    is_syncing = columns.flag()
    since = columns.moment()


class ScannedBlock(Table, tablename="scanned_blocks"):
    """Proof of coverage: one row for each recent block of the current chain, each the child of the one below."""

    id = BigSerial(primary_key=True)
    network = columns.words(40)
    height = columns.big_number()
    hash = columns.words(80)
    parent_hash = columns.words(80)
    block_time = columns.moment()

    scanned_blocks_height_once = Unique(["network", "height"])


class Deposit(Table, tablename="deposits"):
    """One transfer to one of our addresses, identified by (network, txid, log_index).

    `log_index` is the network's own position; negative for a native coin's transfer (`networks/evm`). Without a block
    it waits in the pool. `from_address` is null where there is no single sender, or where it isn't known: `is_inferred`
    says that nobody saw it move. It is not booked before the chain has the height `matures_at`.

    `verdict` is how it compares with its invoice (deposits/matching.py). `times_reversed` counts how often a deep
    reorganisation has removed it after it was booked: its entries refer to `DEP-…` the first time it is booked, to
    `DEP-…#2` the second (`booking_reference`).

    `orphaned`: it is neither on the chain nor in the pool; `gone_because` says why, `replaced_by` which transaction
    took its place, if that is known. `orphaned_at` is when that happened last; it stays when the deposit comes back.
    `made_at` is when it was first made, where that may be earlier than its block's time.
    """

    id = columns.public_id()
    network = columns.words(40)
    txid = Varchar(length=80, default=None)
    log_index = columns.number()
    asset = columns.words(20)
    deposit_address = columns.reference(DepositAddress)
    from_address = columns.words(100, null=True)
    amount_raw = columns.raw_amount()
    block_height = columns.big_number(null=True)
    block_hash = columns.words(80, null=True)
    block_time = columns.moment(null=True)
    seen_at = columns.moment()
    status = columns.words(10)
    verdict = columns.words(20)
    invoice = columns.reference(Invoice, null=True)
    settled_at = columns.moment(null=True)
    times_reversed = Integer(default=0)
    orphaned_at = columns.moment(null=True)
    made_at = columns.moment(null=True)
    matures_at = columns.big_number(null=True)
    is_inferred = columns.switch()
    gone_because = columns.words(12, null=True)
    replaced_by = columns.words(80, null=True)

    deposits_identity_once = Unique(["network", "txid", "log_index"])
    status_known = columns.one_of("status", "seen", "orphaned", "credited", "suspended")
    verdict_known = columns.one_of(
        "verdict",
        "exact",
        "part",
        "dust",
        "underpaid",
        "overpaid",
        "late",
        "cancelled",
        "second",
        "wrong_asset",
        "in_review",
        "unknown",
    )
    settled_known = Check("(settled_at IS NOT NULL) = (status IN ('credited', 'suspended'))")
    amount_positive = Check("amount_raw > 0")
    deposits_gone_known = columns.one_of("gone_because", "reorganised", "replaced", "dropped")
    deposits_gone_whole = Check(
        "(gone_because IS NOT NULL) = (status = 'orphaned') AND (replaced_by IS NULL OR gone_because = 'replaced')"
    )
    deposits_block_whole = Check(
        "(block_height IS NULL) = (block_hash IS NULL) AND (block_height IS NULL) = (block_time IS NULL)"
    )
    deposits_booked_in_block = Check("status NOT IN ('credited', 'suspended') OR block_height IS NOT NULL")
    deposits_pool_made = Check("block_height IS NOT NULL OR made_at IS NOT NULL")


class PoolTransaction(Table, tablename="pool_transactions"):
    """A transaction to us that was seen in the pool, until a block has it. `spends`: see `networks.port`.

    `is_gone`: it was in the pool no more at the last look, and no block had it.
    """

    id = BigSerial(primary_key=True)
    network = columns.words(40)
    txid = columns.words(80)
    spends = Array(base_column=Text(), default=None)
    fee_rate_raw = columns.raw_amount()
    is_replaceable = columns.flag()
    is_gone = columns.switch()
    seen_at = columns.moment()

    pool_transactions_once = Unique(["network", "txid"])


class AnnouncedTransaction(Table, tablename="announced_transactions"):
    """A transaction that a customer's page says was sent for an invoice. It is shown there until a block or a pool has
    it, and counts for nothing. `number` is 1 to 5: a page may announce no more.
    """

    id = BigSerial(primary_key=True)
    invoice = columns.reference(Invoice)
    number = columns.number()
    network = columns.words(40)
    txid = columns.words(80)
    announced_at = columns.moment()

    announced_number_once = Unique(["invoice", "number"])
    announced_once = Unique(["invoice", "txid"])
    announced_few = Check("number BETWEEN 1 AND 5")


class Review(Table, tablename="reviews"):
    """A review of a deposit that did not match its invoice, or that has none.

    One review for each deposit, opened when it is seen. `status` is `returning` while a refund of it is under way; when
    that fails the review is open again. `facts` is JSON: what was asked for and what was received. `outcome` is
    `credited` with a `refund_id` where what was asked was credited and the rest is returned. `reason` is for operators,
    `message` for the merchant.
    """

    id = BigSerial(primary_key=True)
    deposit = columns.reference(Deposit)
    invoice = columns.reference(Invoice, null=True)
    merchant = columns.reference(Merchant, null=True)
    verdict = columns.words(20)
    facts = columns.text()
    status = columns.words(10)
    outcome = columns.words(10, null=True)
    reason = columns.text(null=True)
    message = columns.text(null=True)
    refund_id = columns.words(20, null=True)
    opened_at = columns.moment()
    decided_at = columns.moment(null=True)
    decided_by = columns.words(64, null=True)

    reviews_deposit_once = Unique(["deposit"])
    reviews_status_known = columns.one_of("status", "open", "returning", "closed")
    reviews_outcome_known = columns.one_of("outcome", "credited", "returned", "closed")
    reviews_decided_whole = Check(
        "(status = 'open') = (outcome IS NULL) AND (status = 'open') = (reason IS NULL)"
        " AND (status = 'open') = (decided_at IS NULL) AND (status = 'open') = (decided_by IS NULL)"
    )
    reviews_returning_what = Check("status <> 'returning' OR refund_id IS NOT NULL")
    reviews_message_decided = Check("message IS NULL OR (status <> 'open' AND length(message) BETWEEN 1 AND 500)")
