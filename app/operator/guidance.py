"""What each kind of alert means and what to do about it, in short: docs/operations.md has the whole of it."""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from app.core.newer import plain


class Guidance(msgspec.Struct, frozen=True):
    """The title of a kind of alert, and what to do. `page` is where at the desk, empty where that is elsewhere; `link`
    its words."""

    title: str
    to_do: str
    page: str = ""
    link: str = ""


_HOLDS = ("/desk/holds", "Holds")
_NETWORKS = ("/desk/networks", "Networks")
_RECONCILIATION = ("/desk/reconciliation", "Reconciliation")
_APPROVALS = ("/desk/approvals?state=moving", "Payments on their way")
_EDITED = (
    "A row differs from what operators approved, or its amount is above a ceiling: the payment is held. Find out who "
    "has written to the database before you release it."
)
_MOVE_THE_MONEY = "Unless you have just restored a backup, another party has the key: move the money."

KINDS: Mapping[str, Guidance] = MappingProxyType(
    {
        "drift": Guidance(
            "The books and the chain differ",
            "Pause payouts and refunds, open the finding, and follow “Drift” in the operations manual. Run a full "
            "reconciliation until it is clean, then acknowledge and resume.",
            *_RECONCILIATION,
        ),
        "stopped": Guidance(
            "Something that runs by the clock has stopped",
            "Look whether the worker that the message names runs, and at its log; start it again.",
            *_RECONCILIATION,
        ),
        "watcher_halted": Guidance(
            "A network is not watched",
            "The watcher skips no block: repair or replace the node, and it continues by itself.",
            *_NETWORKS,
        ),
        "deposit_not_booked": Guidance(
            "A payment can’t be credited",
            "The error is in the log of the chain worker. It is tried again every minute, and the others are credited "
            "meanwhile. Find out what is wrong with the payment, or with its ledger.",
            *_RECONCILIATION,
        ),
        "deep_reorg": Guidance(
            "A reorganisation removed credited payments",
            "Reversing entries are booked, and the merchant’s payouts in the asset are held. Check the chain, then "
            "release the hold.",
            *_HOLDS,
        ),
        "withdrawal_tampered": Guidance("A payment was edited after it was requested", _EDITED, *_HOLDS),
        "signer_refused_digest": Guidance("The signer refuses an edited payment", _EDITED, *_HOLDS),
        "signer_refused_approvals": Guidance("The signer misses an approval", _EDITED, *_HOLDS),
        "signer_refused_destination": Guidance("The signer refuses a destination", _EDITED, *_HOLDS),
        "signer_refused_ceiling": Guidance("Above the signer’s ceiling for one payment", _EDITED, *_HOLDS),
        "signer_refused_guard": Guidance("The database refused a payment", _EDITED, *_HOLDS),
        "signer_refused_day_ceiling": Guidance(
            "Above the signer’s ceiling for a day",
            "The payment waits until 24 hours have passed. Raise the ceiling in the signer’s networks file if the "
            "amount is intended.",
            *_APPROVALS,
        ),
        "signer_refused_merchant": Guidance(
            "The merchant was stopped after the approval",
            "The payment waits, and is sent when the merchant is reinstated. Reject it if it must not be sent.",
            *_APPROVALS,
        ),
        "signer_refused_signatures": Guidance(
            "The signer misses signatures of passkeys",
            "Approve the payment with passkeys that the signer’s file names: it goes on. A critical one has signatures "
            "that don’t count: ask who has given them, and whether somebody writes to the database.",
            *_APPROVALS,
        ),
        "signer_refused_no_rule": Guidance(
            "The signer has no rule for a payment",
            "The payment waits. Add a rule to the approvers file on the signer’s host, and restart the signer.",
            *_APPROVALS,
        ),
        "signer_refused_signed_before": Guidance(
            "The signer has signed a payment that the books call unpaid",
            "The payment is held. Attach the transaction that the message names, then release it. Unless a backup was "
            "restored, find out who has written to the database.",
            *_HOLDS,
        ),
        "signer_refused_policy": Guidance(
            "The signer’s file does not allow what was approved",
            "A consolidation, a dear sweep or a move of the stake waits. If operators have approved it, add it to the "
            "policies of the approvers file on the signer’s host; if nobody has, somebody writes to the database.",
            *_NETWORKS,
        ),
        "signer_refused_frozen_destination": Guidance(
            "The issuer has frozen a destination",
            "The payment is held. Ask the merchant, and reject it: its money is available again then.",
            *_HOLDS,
        ),
        "signer_halted": Guidance(
            "The signer has stopped",
            "Wrong chain, transactions of the hot wallet that we did not sign, rows that our keys contradict, or "
            "bytes that are not what was approved. Nothing is sent until that is explained.",
            *_NETWORKS,
        ),
        "unknown_spend": Guidance("A transaction of ours that the signer did not sign", _MOVE_THE_MONEY, *_NETWORKS),
        "nonce_taken": Guidance("Another party has signed with the hot wallet’s key", "Move the money.", *_NETWORKS),
        "expired_transaction_mined": Guidance(
            "An attempt that was given up is in a block",
            "Its payment is held, and the later attempt is not sent. Compare with the chain before you release it.",
            *_HOLDS,
        ),
        "danger_permission_changed": Guidance(
            "Other keys may sign for an account of ours",
            "Move the money, and take the address out of use.",
            *_NETWORKS,
        ),
        "danger_frozen": Guidance("An issuer has frozen an address of ours", "Ask the issuer.", *_NETWORKS),
        "danger_destroyed": Guidance(
            "An issuer has destroyed what an address of ours held",
            "Reconciliation shows the difference as drift. Settle it with the issuer.",
            *_RECONCILIATION,
        ),
        "danger_paused": Guidance("An issuer has paused its token", "Payments wait. Tell the merchants.", *_NETWORKS),
        "danger_replaced": Guidance(
            "An issuer has put another contract in its token’s place",
            "Stop payouts in it, compare with what the issuer has announced, and set the new contract in the networks "
            "file.",
            "/desk/switches",
            "Switches",
        ),
        "danger_unfrozen": Guidance("An address of ours is free again", "Nothing: it is swept by itself.", *_NETWORKS),
        "danger_unpaused": Guidance("A token goes on", "Nothing: what waits is sent by itself.", *_NETWORKS),
        "token_paused": Guidance(
            "A token is paused by its issuer", "Payments wait and go on by themselves. Tell the merchants.", *_NETWORKS
        ),
        "token_fee": Guidance(
            "A token keeps a fee of each transfer",
            "Payments wait, for less than was approved would arrive. Exact payments of customers arrive too small and "
            "go to review.",
            *_NETWORKS,
        ),
        "wallet_frozen": Guidance(
            "The hot wallet is frozen in a token",
            "Ask the issuer. To pay meanwhile, configure another hot wallet with money in it.",
            *_NETWORKS,
        ),
        "deposit_address_frozen": Guidance(
            "A deposit address is frozen",
            "Ask the issuer, with the transactions that paid the address. The books still owe its amount: keep as "
            "much in the hot wallet, or settle with the merchant.",
            *_NETWORKS,
        ),
        "moved_otherwise": Guidance(
            "A transaction has moved something else than it should",
            "The payment stays sent and its amount locked. Compare with the chain, and settle with the merchant.",
            *_APPROVALS,
        ),
        "outcome_changed": Guidance(
            "A reorganisation changed the outcome of a payment", "Compare with the chain.", *_APPROVALS
        ),
        "failed_transaction_loose": Guidance(
            "A failed transaction may still be mined", "Compare with the chain.", *_APPROVALS
        ),
        "sent_transaction_reorganised": Guidance(
            "A sent transaction is in no block any more",
            "It is sent again by itself. Compare with the chain.",
            *_APPROVALS,
        ),
        "hot_wallet_low": Guidance(
            "The hot wallet holds little",
            "Top it up by a plain transfer: the watcher books it once it is final.",
            *_NETWORKS,
        ),
        "withdrawals_wait": Guidance(
            "Approved payments wait",
            "Top up the hot wallet, or wait for lower fees: the message says which.",
            *_APPROVALS,
        ),
        "fee_ceiling": Guidance("Only a fee above the ceiling would help", "Raise the ceiling, or wait.", *_APPROVALS),
        "transfer_would_fail": Guidance(
            "A transfer would fail", "The payment waits; its page shows the reason.", *_APPROVALS
        ),
        "transaction_refused": Guidance(
            "Nodes refuse a transaction", "The payment waits; its page shows the reason.", *_APPROVALS
        ),
        "sweep_failed": Guidance(
            "A sweep failed on chain", "It is tried again by itself, later each time.", *_NETWORKS
        ),
        "unseen_deposit": Guidance(
            "An address holds more than its recorded deposits",
            "At the hot wallet the difference is booked as a top-up; elsewhere it is in review.",
            "/desk/reviews",
            "Reviews",
        ),
        "treasury_short": Guidance(
            "The treasury has less than fees have cost", "Top up the hot wallet’s address.", *_NETWORKS
        ),
        "top_up_reversed": Guidance(
            "A reorganisation removed a top-up", "Top up the hot wallet’s address.", *_NETWORKS
        ),
        "sign_in_disowned": Guidance(
            "Somebody else was signed in as a person",
            "Their sessions have ended and their password opens nothing. Speak with them, look in the audit log for "
            "what was done in their name, and have them check their passkeys and authenticator app.",
            "/desk/audit",
            "Audit log",
        ),
        "rate_sources_low": Guidance(
            "Few sources of rates answer", "Prices need enough of them: see the log of the worker “default”."
        ),
        "rate_sources_back": Guidance("Sources of rates answer again", "Nothing."),
        "rate_held": Guidance(
            "A rate moved too far to be believed",
            "Compare it with the market: no quote is made by it until it settles.",
        ),
    }
)


def of_kind(kind: str) -> Guidance:
    """What to do about a kind of alert; for one without words of its own, the manual."""
    return KINDS.get(kind) or Guidance(
        plain(kind), "Read the message and the details, and look at the operations manual."
    )
