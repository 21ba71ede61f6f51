"""Faults in what is asked of a token's issuer, in the cases of frozen addresses, and in whose address a text is."""

from tests.mutation.table import Fault

TOKENS = (
    Fault(
        "app/signer/account_funds.py",
        "await self._rules.check_payment(intent)",
        "pass",
        "a payout to a frozen address is sent, and one of a token with a fee arrives too small",
        ("signer/test_token_rules.py::test_a_frozen_destination_is_held",),
    ),
    Fault(
        "app/signer/token_rules.py",
        "if self._hot in state.frozen:",
        "if False:",
        "deposits are swept to a wallet whose issuer has frozen it",
        ("signer/test_token_rules.py::test_a_frozen_hot_wallet_pays_nothing_and_sweeps_nothing",),
    ),
    Fault(
        "app/signer/account_sweeps_repository.py",
        "AND f.asset = c.asset AND f.ended_at IS NULL)",
        "AND f.asset = c.asset AND false)",
        "the sweep of a frozen deposit address is tried again every hour",
        ("signer/test_token_rules.py::test_a_frozen_deposit_address_is_a_case_until_its_issuer_lets_it_go",),
    ),
    Fault(
        "app/signer/token_rules.py",
        "            await self._open_case(symbol, address, held_raw)",
        "            pass",
        "a frozen deposit address is tried again for ever, and nobody is told",
        ("signer/test_token_rules.py::test_a_frozen_deposit_address_is_a_case_until_its_issuer_lets_it_go",),
    ),
    Fault(
        "app/networks/evm/issuer.py",
        '        if code == "0x":',
        "        if False:",
        "a node that lacks the contract's block makes frozen addresses free for a day",
        ("networks/test_evm_issuer.py::test_a_node_that_lacks_the_contract_s_block_is_no_answer",),
    ),
    Fault(
        "app/networks/evm/issuer.py",
        "            if _is_revert(refusal):\n                return False",
        "            return False",
        "a node that refuses for its own reasons makes frozen addresses free for a day",
        ("networks/test_evm_issuer.py::test_a_node_that_does_not_answer_is_no_answer",),
    ),
    Fault(
        "app/networks/recognition.py",
        "for spelled in spellings(text)",
        "for spelled in (text,)",
        "an address in capitals is refused without a word about whose it is",
        ("networks/test_recognition.py::test_whose_address_a_text_is",),
    ),
)
