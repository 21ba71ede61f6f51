"""Faults in what the signer of a chain of coins spends, signs and replaces."""

from tests.mutation.table import Fault

_BUMPS, _ROUTES, _PAYOUTS = (
    "signer/test_bitcoin_bumps.py::",
    "signer/test_bitcoin_routes.py::",
    "signer/test_bitcoin_payouts.py::",
)
_CONSOLIDATION = "signer/test_bitcoin_consolidation.py::"

COIN_SIGNER = (
    Fault(
        "app/signer/coin_adoption.py",
        """        if await coin_funds_repository.change_index(network.key, payment.to_address) is None:
            raise NothingToAccountFor(""",
        """        if False:
            raise NothingToAccountFor(""",
        "after a restored backup, a batch of payouts is taken for a move of ours, and each of them is paid again",
        (f"{_CONSOLIDATION}test_what_paid_somebody_is_not_accounted_for",),
    ),
    Fault(
        "app/signer/coin_spendable.py",
        "elif coin.is_change or coin.height <= final_height:",
        "elif coin.height > 0:",
        "payouts are made of coins that a reorganisation takes back, and fall with them",
        (f"{_PAYOUTS}test_what_others_send_is_not_spent_before_it_is_final",),
    ),
    Fault(
        "app/signer/coin_spendable.py",
        "if attempts.get(coin.txid, 1) > 1:",
        "if False:",
        "a payout is made of the change of an attempt that another one may replace, and then falls for good",
        (f"{_BUMPS}test_what_has_a_child_is_not_replaced_but_helped_by_it",),
    ),
    Fault(
        "app/signer/coin_funds.py",
        "self._refuse_unknown(await coins_repository.unknown_spends(key))",
        "pass",
        "after a restored backup, payouts that are in blocks already are paid again",
        (f"{_PAYOUTS}test_a_spend_that_the_books_do_not_have_stops_the_signer",),
    ),
    Fault(
        "app/signer/coin_funds.py",
        "self._refuse_unknown(sorted(set(in_pool.values())))",
        "pass",
        "after a restored backup, payouts that wait in the pool already are paid again",
        (f"{_PAYOUTS}test_a_spend_that_the_books_do_not_have_stops_the_signer",),
    ),
    Fault(
        "app/signer/coin_funds.py",
        "self._refuse_dear(draft.fee_cap_raw, spendable.fees_left_raw)",
        "pass",
        "fees are paid out of merchants' money",
        (f"{_PAYOUTS}test_without_a_top_up_payouts_wait_for_the_treasury",),
    ),
    Fault(
        "app/signer/coin_funds.py",
        "self._refuse_dear(draft.fee_cap_raw - last.fee_cap_raw, await self._treasury.fees_left_raw())",
        "pass",
        "a higher fee is paid out of merchants' money",
        (f"{_BUMPS}test_a_bump_that_the_treasury_cannot_pay_waits",),
    ),
    Fault(
        "app/signer/coin_funds.py",
        "            if not known:\n                answer",
        "            if False:\n                answer",
        "a payout that is below the floor of the pool stays unpaid, whatever is paid for its help",
        ("signer/test_bitcoin_packages.py::test_a_parent_below_the_floor_is_sent_with_its_child",),
    ),
    Fault(
        "app/networks/bitcoin/spending.py",
        "choice = coins.choose(more, outputs, state.rate, least_fee=least_fee, required=required)",
        "choice = coins.choose(more, outputs, state.rate, least_fee=least_fee)",
        "two attempts at a batch spend different coins: both are mined, and all of it is paid twice",
        (f"{_BUMPS}test_a_bump_spends_the_same_coin_though_a_better_one_has_come",),
    ),
    Fault(
        "app/networks/bitcoin/spending.py",
        "SEQUENCE = 0xFFFFFFFD",
        "SEQUENCE = 0xFFFFFFFF",
        "nodes that ask for the signal of BIP-125 take no replacement: what is stuck stays stuck",
        (f"{_PAYOUTS}test_another_wallet_reads_the_same_in_it",),
    ),
    Fault(
        "app/signer/coin_keys.py",
        "if strange := sorted(set(parsed.claims) - known):",
        "if strange := sorted(set()):",
        "a forged row of a coin makes the signer sign away what is not accounted for",
        (f"{_ROUTES}test_only_coins_of_ours_are_spent_and_only_change_is_paid_without_a_payout",),
    ),
    Fault(
        "app/signer/coin_keys.py",
        'if purpose != "sweep" or not await self._is_change(payment.to_address):',
        'if purpose != "sweep":',
        "a consolidation sends everything to somebody else",
        (f"{_ROUTES}test_only_coins_of_ours_are_spent_and_only_change_is_paid_without_a_payout",),
    ),
    Fault(
        "app/signer/coin_moves.py",
        "if rate <= min(ceiling, policy.max_fee_rate) * VB_PER_RATE",
        "if rate > 0",
        "consolidation spends the treasury on the dearest day",
        (f"{_CONSOLIDATION}test_it_waits_while_fees_are_high",),
    ),
    Fault(
        "app/signer/signing.py",
        "await self._limits.check([*payables, payable], now)",
        "await self._limits.check([payable], now)",
        "one payout too many holds up the whole batch at the signer's ceiling of the day",
        (f"{_PAYOUTS}test_the_signers_limits_hold_for_each_and_for_all_together",),
    ),
    Fault(
        "app/signer/signing.py",
        "or not fresh or min(fresh) + window <= now else []",
        "or not fresh or min(fresh) <= now else []",
        "each payout is a transaction of its own, and its fee is several times as high",
        (f"{_PAYOUTS}test_what_is_approved_waits_for_others_to_be_paid_with",),
    ),
    Fault(
        "app/signer/adoption.py",
        "if row.status == Status.PENDING_APPROVAL and row.id != withdrawal_id:",
        "if False:",
        "one operator's word about a batch approves payouts that nobody has looked at",
        (
            "signer/test_bitcoin_adoption.py::test_nothing_is_attached_while_one_of_its_payments_is_not_approved"
            "[pending_approval-which must be approved first]",
        ),
    ),
    Fault(
        "app/signer/adoption.py",
        "if _requested(intent) not in parsed.payments:",
        "if False:",
        "a payout counts as paid by a transaction that pays somebody else",
        ("signer/test_bitcoin_adoption.py::test_a_payment_that_is_not_in_it_is_not_attached",),
    ),
)
