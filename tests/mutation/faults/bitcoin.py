"""Faults in reading Bitcoin: a payment missed, taken for another one, or counted too early."""

from tests.mutation.table import Fault

BITCOIN = (
    Fault(
        "app/networks/bitcoin/chain.py",
        "block.ref.height + COINBASE_MATURITY - 1 if",
        "block.ref.height if",
        "a reward that can't be spent yet, and may vanish, is credited",
        ("networks/test_bitcoin_chain.py::test_a_reward_matures_when_the_node_lets_it_be_spent",),
    ),
    Fault(
        "app/networks/bitcoin/blocks.py",
        "or merkle_root([txid[::-1] for txid in txids]) != header[36:68]",
        "",
        "a node leaves a payment out of a block, and nobody notices",
        ("networks/test_bitcoin_bad_nodes.py::test_a_block_that_is_not_the_one_of_its_hash_is_refused",),
    ),
    Fault(
        "app/networks/bitcoin/blocks.py",
        "len(set(txids)) != len(txids) or ",
        "",
        "a transaction that a block has once pays twice",
        ("networks/test_bitcoin_bad_nodes.py::test_a_block_that_is_not_the_one_of_its_hash_is_refused",),
    ),
    Fault(
        "app/networks/bitcoin/blocks.py",
        "yield Payment(txid, index, address, output.value, is_reward)",
        "yield Payment(txid, 0, address, output.value, is_reward)",
        "of two invoices that one transaction pays, one stays unpaid",
        (
            "networks/test_bitcoin_chain.py::test_one_transaction_pays_one_address_twice_and_another_the_same",
            "deposits/test_bitcoin.py::test_two_outputs_to_one_address_are_two_deposits",
        ),
    ),
    Fault(
        "app/networks/bitcoin/rpc.py",
        "        if info.is_downloading:",
        "        if False:",
        "invoices expire although they were paid, while the node downloads the blocks with the payments",
        ("deposits/test_bitcoin.py::test_while_the_node_downloads_the_chain_nothing_expires",),
    ),
    Fault(
        "app/networks/bitcoin/rpc.py",
        "if genesis_hash != self._genesis_hash:",
        "if False:",
        "payments on a test network are credited as real ones",
        ("networks/test_bitcoin_bad_nodes.py::test_another_chain_is_noticed_in_every_answer",),
    ),
    Fault(
        "app/networks/bitcoin/rpc.py",
        "await self._nodes[number].ask([GENESIS, *calls], timeout_s=timeout_s)",
        "await self._nodes.ask([GENESIS, *calls], timeout_s=timeout_s)",
        "a node that is behind answers in the place of one that fails, and credits are reversed",
        ("networks/test_bitcoin_chain.py::test_of_two_nodes_the_one_with_more_work_is_asked",),
    ),
    Fault(
        "app/networks/bitcoin/rpc.py",
        "elif best is None or int(answer.chain_work, 16) > int(best[1].chain_work, 16):",
        "elif best is None:",
        "payments are seen late, because a node that lags behind is asked",
        ("networks/test_bitcoin_chain.py::test_of_two_nodes_the_one_with_more_work_is_asked",),
    ),
    Fault(
        "app/networks/bitcoin/pool.py",
        "if with_pool is None and without is None",
        "if without is None",
        "a payment that was only forgotten is shown as replaced",
        ("networks/test_bitcoin_chain.py::test_a_payment_that_was_only_forgotten_is_not_replaced",),
    ),
    Fault(
        "app/networks/bitcoin/pool.py",
        "            self._known &= there",
        "            self._known |= there",
        "a payment is not seen before a block has it",
        ("networks/test_bitcoin_chain.py::test_the_pool_holds_payments_with_their_fee_and_what_they_spend",),
    ),
    Fault(
        "app/networks/bitcoin/addresses.py",
        "if Script(parsed[1]).script_type() is None:",
        "if False:",
        "a refund is sent to an address from which nobody can spend",
        ("networks/test_bitcoin_addresses.py::test_what_is_no_address_is_refused_with_the_reason",),
    ),
    Fault(
        "app/networks/bitcoin/config.py",
        "if amount_raw <= step.up_to_raw:",
        "if True:",
        "a large payment is credited after one confirmation, and taken back by a reorganisation",
        ("networks/test_bitcoin_config.py::test_confirmations_depend_on_the_amount",),
    ),
    Fault(
        "app/networks/bitcoin/holdings.py",
        "if output.height <= height and script in wanted:",
        "if False:",
        "reconciliation reports drift whenever a coin was spent in the last blocks",
        ("networks/test_bitcoin_chain.py::test_balances_are_those_of_the_block_that_is_asked_for",),
    ),
    Fault(
        "app/networks/bitcoin/wire.py",
        "if not raw.is_finite() or raw != raw.to_integral_value():",
        "if not raw.is_finite():",
        "an amount that the node has rounded is taken for exact",
        ("networks/test_bitcoin_bad_nodes.py::test_amounts_are_whole_satoshi",),
    ),
    Fault(
        "app/withdrawals/destinations.py",
        "    if not network.sends:",
        "    if False:",
        "a payout that nobody can sign locks a merchant's money",
        ("deposits/test_bitcoin.py::test_nothing_is_promised_that_can_not_be_sent",),
    ),
)
