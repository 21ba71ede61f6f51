"""Faults in what keeps two attempts apart that are limited in time, on Tron."""

from tests.mutation.table import Fault

_ATTEMPTS, _KEYS = "signer/test_timed_attempts.py::", "signer/test_tron_keys.py::"

TIMED = (
    Fault(
        "app/signer/timed_funds.py",
        "return last is not None and last <= final.height",
        "return last is not None",
        "a second attempt is signed while a block may still take the first one back into the chain",
        (f"{_ATTEMPTS}test_an_attempt_that_nobody_mined_is_signed_anew_only_when_it_is_dead",),
    ),
    Fault(
        "app/signer/timed_funds.py",
        "is_dead=is_past and all(absent.get(one.txid, False) for one in lineage if one.txid not in mined),",
        "is_dead=is_past,",
        "one node hides a block's transaction, another one shows it, and the payout is paid twice",
        (f"{_ATTEMPTS}test_a_dead_one_needs_the_scan_and_every_node",),
    ),
    Fault(
        "app/signer/timed_funds.py",
        "return receipt.height <= final.height and mined.get(stored.txid) == receipt.block_hash",
        "return True",
        "a payout counts as paid by a block that the chain takes back",
        (f"{_ATTEMPTS}test_payouts_and_refunds_are_confirmed_once_they_are_final",),
    ),
    Fault(
        "app/signer/timed_funds.py",
        "salt = await account_nonces_repository.lock_nonce(self._network.key, state.sender, least)",
        "salt = least",
        "two equal payouts are one transaction, and one of them is never paid",
        (f"{_ATTEMPTS}test_two_equal_payouts_in_one_millisecond_are_two_transactions",),
    ),
    Fault(
        "app/signer/timed_funds.py",
        """        if unknown:
            raise UnknownTransaction(""",
        """        if False:
            raise UnknownTransaction(""",
        "after a restored backup the payouts of that day are paid a second time",
        (f"{_ATTEMPTS}test_a_spend_that_the_books_lack_stops_the_signer",),
    ),
    Fault(
        "app/signer/account_book.py",
        "await withdrawals.hold(withdrawal_id)",
        "pass",
        "a payout whose dead attempt is in a block is sent and signed on",
        (f"{_ATTEMPTS}test_an_expired_one_that_is_seen_after_all_by_our_scan",),
    ),
    Fault(
        "app/signer/account_book.py",
        "if one.txid not in known:",
        "if False:",
        "somebody else has the key of the hot wallet, and nobody is told",
        (f"{_ATTEMPTS}test_a_spend_that_the_books_lack_stops_the_signer",),
    ),
    Fault(
        "app/signer/tracking.py",
        "elif standing.is_over:",
        "elif False:",
        "what no node takes any more is sent in every round, and operators are alarmed",
        (f"{_ATTEMPTS}test_an_attempt_that_nobody_mined_is_signed_anew_only_when_it_is_dead",),
    ),
    Fault(
        "app/signer/tracking.py",
        "if await self._funds.renewal.is_mined([stored.txid for stored in lineage]):",
        "if False:",
        "the watcher reads the first attempt in a block while the second one is signed",
        (f"{_ATTEMPTS}test_one_that_our_scan_finds_while_the_next_is_planned_is_not_signed_anew",),
    ),
    Fault(
        "app/signer/account_keys.py",
        """            if move.to_address is not None:
                await self._index_of(move.to_address)""",
        """            if move.to_address is None:
                await self._index_of(move.to_address or "")""",
        "the energy of our staked coin is lent to an attacker",
        (f"{_KEYS}test_staked_coin_stays_the_hot_wallet_s_and_energy_goes_to_our_addresses_alone",),
    ),
)
