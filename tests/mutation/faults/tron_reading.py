"""Faults in reading Tron."""

from tests.mutation.table import Fault

_BLOCKS = "app/networks/tron/blocks.py"
_CHAIN = "app/networks/tron/chain.py"
_READING = "app/networks/tron/reading.py"
_HOLDINGS = "app/networks/tron/holdings.py"
_NODE = "app/networks/tron/node.py"
_TESTS = "networks/test_tron_chain.py::"

READING_TRON = (
    Fault(
        _BLOCKS,
        "    if by_id.keys() != ids or any(info.block_number != ref.height for info in by_id.values()):",
        "    if not by_id.keys() <= ids:",
        "a node that has not all infos of a block hides payments for good",
        (f"{_TESTS}test_infos_that_are_not_those_of_the_block_store_nothing[_leave_out_an_info]",),
    ),
    Fault(
        _BLOCKS,
        "    if succeeded and result == SUCCESS:",
        "    if result:",
        "a failed transfer is credited",
        (f"{_TESTS}test_a_failed_call_pays_nothing_whatever_its_calldata_or_its_logs_say[REVERT]",),
    ),
    Fault(
        _BLOCKS,
        "for value in call.values if not value.token_id",
        "for value in call.values",
        "a worthless TRC-10 token is credited as TRX",
        (f"{_TESTS}test_trx_of_contracts_is_read_where_the_node_keeps_internal_transactions",),
    ),
    Fault(
        _BLOCKS,
        "        if amount_raw and not call.rejected:",
        "        if amount_raw:",
        "TRX of an inner call that was reverted is credited",
        (f"{_TESTS}test_trx_of_contracts_is_read_where_the_node_keeps_internal_transactions",),
    ),
    Fault(
        _BLOCKS,
        "        for place, log in enumerate(info.log):",
        "        for place, log in enumerate([one for one in info.log if one.address.lower() in rules.tokens]):",
        "an index that depends on the configured tokens credits a payment again when one is added",
        (f"{_TESTS}test_the_index_of_a_transfer_is_its_place_among_all_logs_of_the_transaction",),
    ),
    Fault(
        _CHAIN,
        "if move.index >= 0 and move.sender in ours}",
        "if move.index >= 0 and move.sender in ours and False}",
        "nobody is told that somebody takes tokens from our address",
        (f"{_TESTS}test_what_our_accounts_send_is_told_whatever_it_is",),
    ),
    Fault(
        _READING,
        "            if link is not None and link.hash != block.ref.hash:",
        "            if link is None:",
        "blocks of a fork are stored as those of the chain",
        (f"{_TESTS}test_a_block_is_not_stored_in_place_of_the_one_that_leads_to_the_head",),
    ),
    Fault(
        _READING,
        "    if age_s > config.max_head_age_s:",
        "    if age_s < -config.max_head_age_s:",
        "invoices expire while the only node is behind and shows no payment",
        ("networks/test_tron_nodes.py::test_a_node_that_is_behind_is_not_the_head_but_its_blocks_are_read",),
    ),
    Fault(
        _HOLDINGS,
        "changes[digits[each]] += change_raw if state.height == low else -change_raw",
        "changes[digits[each]] += change_raw",
        "reconciliation compares the books with the balance of another block",
        (f"{_TESTS}TestBalances::test_what_moved_since_is_undone_and_what_moved_later_is_added",),
    ),
    Fault(
        _HOLDINGS,
        "    if not result.result or result.code or result.message or len(answer.constant_result) != 1:",
        "    if not answer.constant_result:\n        return 0\n    if not result.result:",
        "a refused question about a balance reads as an empty address",
        (f"{_TESTS}TestBalances::test_an_error_is_no_balance_of_zero",),
    ),
    Fault(
        _NODE,
        "            await self._throttle.rest(self._subject, rest_s)\n",
        "",
        "a provider that refuses is asked on and on, and shuts us out for longer",
        ("networks/test_tron_nodes.py::TestThrottle::test_a_limit_that_one_process_meets_stops_the_others",),
    ),
)
