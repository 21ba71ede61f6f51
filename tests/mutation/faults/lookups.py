"""Faults in the answer to the question where a transaction is."""

from tests.mutation.table import Fault

_JUDGING = "lookups/test_judging.py::"
_ETHEREUM = "lookups/test_on_ethereum.py::"
_API = "api/test_transactions.py::"
_PAGE = "checkout/test_lookup.py::"

LOOKUPS = (
    Fault(
        "app/lookups/judging.py",
        "moves = [move for move in state.moved if move.to_address not in hidden]",
        "moves = list(state.moved)",
        "who once had an address learns that another invoice is paid at it",
        (f"{_JUDGING}test_strangers_learn_nothing",),
    ),
    Fault(
        "app/lookups/judging.py",
        "seen = [deposit for deposit in facts.deposits if deposit.is_visible]",
        "seen = list(facts.deposits)",
        "anybody learns which invoice a transaction pays",
        (f"{_JUDGING}test_strangers_learn_nothing",),
    ),
    Fault(
        "app/lookups/repository.py",
        "ELSE coalesce({invoice}.merchant = $3 AND {invoice}.mode = $4, false) END",
        "ELSE {invoice}.id IS NOT NULL END",
        "a merchant's key learns of all merchants' invoices",
        (f"{_API}test_strangers_learn_nothing",),
    ),
    Fault(
        "app/lookups/judging.py",
        "if not state.succeeded:",
        "if False:",
        "a customer is told that a failed transaction went to somebody else",
        (f"{_ETHEREUM}test_tokens_coins_failures_and_what_pays_nobody",),
    ),
    Fault(
        "app/networks/evm/lookup.py",
        "header is not None and header.hash.lower() == receipt.block_hash.lower()",
        "header is not None",
        "a payment in a block that the chain has dropped still counts confirmations",
        ("networks/test_transactions.py::TestEvm::test_a_block_that_the_chain_has_dropped_has_no_transactions",),
    ),
    Fault(
        "app/lookups/limits.py",
        "    refuse_exceeded(",
        "    (lambda *_: None)(",
        "one visitor has our node answer without end",
        (
            f"{_API}test_sixty_a_minute_from_one_address_whatever_the_key",
            f"{_PAGE}test_sixty_a_minute_and_not_one_page_load_less",
        ),
    ),
)
