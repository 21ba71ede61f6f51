"""Faults in sending on Tron: bytes that say more than was approved, a payment made twice, or thought made."""

from tests.mutation.table import Fault

SENDING_ON_TRON = (
    Fault(
        "app/networks/tron/transactions.py",
        "    if not same:",
        "    if False:",
        "bytes are stored and sent with more around them than was read",
        ("networks/test_tron_bytes.py::test_bytes_around_a_signature_are_refused",),
    ),
    Fault(
        "app/networks/tron/transactions.py",
        "    if signer != body.owner:",
        "    if False:",
        "a transaction that another key has signed, which no node takes, counts as our payment",
        ("networks/test_tron_sending.py::TestDrafts::test_another_key_than_the_senders_is_noticed",),
    ),
    Fault(
        "app/networks/tron/transactions.py",
        "        if not 0 < body.fee_limit_raw <= MAX_INT64:",
        "        if not 0 <= body.fee_limit_raw <= MAX_INT64:",
        "a payout is signed without energy, and fails on chain",
        ("networks/test_tron_sending.py::TestDrafts::test_a_token_is_not_sent_without_a_fee_limit",),
    ),
    Fault(
        "app/networks/tron/transactions.py",
        "timestamp=body.timestamp_ms,",
        "timestamp=body.expiration_ms,",
        "two equal payouts of one moment are one transaction: one recipient gets nothing",
        (
            "networks/test_tron_sending.py::TestDrafts::test_equal_payments_are_kept_apart_by_their_salt_alone",
            "networks/test_tron_payments.py::test_two_equal_payments_are_both_made",
        ),
    ),
    Fault(
        "app/networks/tron/sending.py",
        "        if _form(read) != _form(draft):",
        "        if False:",
        "the books say another expiration than the bytes: a second payment is signed while the first can be mined",
        ("networks/test_tron_sending.py::TestDrafts::test_bytes_of_another_form_are_refused",),
    ),
    Fault(
        "app/networks/tron/sending.py",
        "        if body.fee_limit_raw > min(draft.fee_cap_raw, self._config.max_fee_limit_sun):",
        "        if False:",
        "a transaction may burn more than the ceiling",
        ("networks/test_tron_sending.py::TestDrafts::test_bytes_above_a_lowered_ceiling_are_refused",),
    ),
    Fault(
        "app/networks/tron/sending.py",
        '    if answer.code == "DUP_TRANSACTION_ERROR":',
        '    if answer.code == "NEVER":',
        "an answer that may hide an earlier refusal is told as a refusal, and alarms every time",
        ("networks/test_tron_payments.py::test_an_answer_that_it_is_known_proves_nothing",),
    ),
    Fault(
        "app/networks/tron/sending.py",
        "first = 0 if accepted is None else accepted.node + 1",
        "first = 0",
        "a node that accepts and loses transactions is sent each again and again, until it has expired",
        ("networks/test_tron_payments.py::test_what_a_node_accepts_and_loses_goes_to_the_other",),
    ),
    Fault(
        "app/networks/tron/sending.py",
        "            if txid not in confirmed:",
        "            if False:",
        "a payout counts as made before its block is final, and a fork takes it back",
        ("networks/test_tron_sending.py::TestReceipts::test_nothing_is_confirmed_before_its_block_is_final",),
    ),
    Fault(
        "app/networks/tron/sending.py",
        "        for txid, one in {**found, **confirmed}.items():",
        "        for txid, one in {**confirmed, **found}.items():",
        "a node that follows a dead branch says how a payout went",
        ("networks/test_tron_sending.py::TestReceipts::test_what_counts_at_last_is_the_final_outcome",),
    ),
    Fault(
        "app/networks/tron/sending.py",
        "                    for at in (HEAD, FINAL)",
        "                    for at in (FINAL,)",
        "a payout that is in a block, not final yet, is thought to be in none, and is made again",
        ("networks/test_tron_sending.py::TestReading::test_absent_is_what_every_node_says_it_does_not_have",),
    ),
    Fault(
        "app/networks/tron/receipts.py",
        "        _check_outcome(txid, outcome, transaction, succeeded=done.succeeded)\n",
        "",
        "a node that contradicts itself makes a payout failed, whose money is paid again",
        (
            "networks/test_tron_sending.py::TestReceipts"
            "::test_answers_that_contradict_each_other_are_no_outcome[of_node1-known1]",
        ),
    ),
    Fault(
        "app/networks/tron/resources.py",
        "        most = max(energy, await self._energy_to_empty(sender, contract, payment.amount_raw, energy))",
        "        most = energy",
        "a payout fails and its fee is lost, since its recipient has emptied its balance in between",
        ("networks/test_tron_payments.py::test_a_recipient_that_empties_its_balance_in_between_is_paid_all_the_same",),
    ),
    Fault(
        "app/networks/tron/contract_calls.py",
        "    if answer.result.result and not answer.result.message and answer.transaction.ret == [{}]:",
        "    if answer.result.result:",
        "a transfer that reverts is sent, and its fee is lost",
        ("networks/test_tron_payments.py::test_what_runs_out_of_energy_or_is_stopped_has_moved_nothing",),
    ),
)
