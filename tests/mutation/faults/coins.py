"""Faults in the book of coins: what may be spent, what was spent, and what reorganisations take back."""

from tests.mutation.table import Fault

_TESTS = "signer/test_coin_book.py::"

COINS = (
    Fault(
        "app/signer/coin_book.py",
        "if not spent.is_known:",
        "if False:",
        "somebody has our key, and nobody is told while the rest of the coins goes too",
        (f"{_TESTS}test_a_spend_that_the_signer_did_not_store_is_an_alert_within_one_block",),
    ),
    Fault(
        "app/networks/bitcoin/chain.py",
        "return (made & spent) | (await",
        "return (await",
        "a theft in the block of the top-up goes unnoticed",
        (f"{_TESTS}test_a_theft_from_the_hot_wallet_in_the_block_of_its_top_up_is_an_alert_too",),
    ),
    Fault(
        "app/deposits/watcher.py",
        "await self._coin_book.reverse_above(fork)",
        "pass",
        "coins of dead blocks are spent, and payouts wait for ever",
        (f"{_TESTS}test_a_reorganised_deposit_is_no_coin_until_a_block_has_it_again",),
    ),
    Fault(
        "app/signer/coin_book_repository.py",
        "WHERE network = $1 AND spent_height > $2",
        "WHERE network = $1 AND spent_height > $2 + 1000",
        "a payout counts as mined although its block is dead",
        (f"{_TESTS}test_a_reorganised_spend_is_undone_until_a_block_has_it_again",),
    ),
    Fault(
        "app/signer/coin_book_repository.py",
        "WHERE o.network = $1 AND o.claim = 'coin:' || c.txid || ':' || c.vout)",
        "WHERE o.network = $1 AND o.claim = c.txid)",
        "the watcher stops at a reorganisation, and no payment is seen any more",
        (f"{_TESTS}test_after_a_deep_reorganisation_the_book_is_that_of_the_new_chain",),
    ),
    Fault(
        "app/signer/coins_repository.py",
        "|| ':' || c.vout AND t.status <> 'replaced')",
        "|| ':' || c.vout AND t.status = 'confirmed')",
        "a coin is promised to two payouts, and one of them fails",
        (f"{_TESTS}test_what_we_spend_is_neither_a_deposit_nor_a_top_up_nor_an_alert",),
    ),
    Fault(
        "app/signer/coins_repository.py",
        "WHERE l.lineage = t.lineage AND l.id > t.id)",
        "WHERE l.lineage = t.lineage AND l.id > t.id AND false)",
        "a payout is made of the change of a transaction that was replaced, and is never mined",
        (f"{_TESTS}test_of_two_attempts_the_change_of_the_mined_one_stays",),
    ),
    Fault(
        "app/signer/coins_repository.py",
        "WHERE o.transaction = t.id AND spent.spent_by IS NOT NULL",
        "WHERE o.transaction = t.id AND spent.spent_by = ''",
        "a payout is made of change that a block excludes, and is never mined",
        (f"{_TESTS}test_of_two_attempts_the_change_of_the_mined_one_stays",),
    ),
    Fault(
        "app/signer/coins_repository.py",
        "AND (c.height <= $2 OR c.is_change)",
        "AND ($2 > 0 OR c.is_change)",
        "coins that a reorganisation may still take away are paid out",
        (f"{_TESTS}test_deposits_and_top_ups_are_coins_from_their_block_on",),
    ),
    Fault(
        "app/signer/coins_repository.py",
        "(c.matures_at IS NULL OR c.matures_at <= $2)",
        "(c.matures_at IS NULL OR c.matures_at > 0)",
        "every payout with a new block's reward is refused by the nodes",
        (f"{_TESTS}test_a_reward_may_be_spent_when_the_node_allows_it",),
    ),
    Fault(
        "app/signer/treasury.py",
        "moves |= {(txid, address, coin) for txid, address in change}",
        "pass",
        "our own change is booked to the treasury as if an operator had sent it",
        (f"{_TESTS}test_what_we_spend_is_neither_a_deposit_nor_a_top_up_nor_an_alert",),
    ),
    Fault(
        "app/signer/coin_book_repository.py",
        "OR EXISTS (SELECT 1 FROM coins s WHERE s.network = $1 AND s.spent_by = c.txid))",
        ")",
        "after a restored backup our own change is booked to the treasury, and fees are paid from money of merchants",
        (f"{_TESTS}test_after_a_restored_backup_change_is_found_and_the_spend_is_told",),
    ),
    Fault(
        "app/signer/coin_book.py",
        "if found := ahead.keys() & set(addresses):",
        "if found := set[str]():",
        "after a restored backup our change is nowhere in the books",
        (f"{_TESTS}test_after_a_restored_backup_change_is_found_and_the_spend_is_told",),
    ),
    Fault(
        "app/reconciliation/checks/holdings.py",
        "if held_raw != coins_raw.get(address, 0)",
        "if held_raw < 0",
        "the signer counts on coins that the chain does not have, and nobody notices",
        (f"{_TESTS}test_a_book_that_is_not_what_the_chain_holds_is_drift",),
    ),
    Fault(
        "app/networks/bitcoin/config.py",
        "if address is not None and address != self.change_address(HOT_WALLET_INDEX):",
        "if False:",
        "operators fill an address of which the signer has no key",
        ("networks/test_bitcoin_config.py::test_the_hot_wallet_is_the_first_address_of_the_change_branch",),
    ),
    Fault(
        "app/withdrawals/destinations.py",
        "if await repository.is_change_address(network.key, canonical):",
        "if False:",
        "a merchant's payout goes to ourselves, and the merchant has paid for nothing",
        (f"{_TESTS}test_our_change_is_no_destination",),
    ),
)
