"""Faults in paying from a wallet in the browser."""

from tests.mutation.table import Fault

_TRONLINK = "checkout/test_tronlink.py::"
_CONFIG = "networks/test_network_config.py::"
_ANNOUNCING = "checkout/test_announcing.py::"

WALLETS = (
    Fault(
        "app/networks/tron/wallets.py",
        "if body.action != self._action(payment) or",
        "if",
        "our node sends any transaction that a stranger has signed",
        (f"{_TRONLINK}test_only_the_exact_payment_is_sent_on",),
    ),
    Fault(
        "app/networks/evm/wallets.py",
        '"value": "0x0", "data"',
        '"value": hex(amount_raw), "data"',
        "a payment in tokens sends coins to the token's contract as well",
        (f"{_CONFIG}test_wallets_are_asked_for_the_exact_amount_and_told_of_a_public_node_alone",),
    ),
    Fault(
        "app/networks/evm/config.py",
        "if any(url.reveal().rstrip",
        "if False and any(url.reveal().rstrip",
        "every customer's wallet is given our node's key",
        (f"{_CONFIG}test_our_own_node_is_not_given_to_customers",),
    ),
    Fault(
        "app/deposits/announced_repository.py",
        "if number > MOST:",
        "if False:",
        "a stranger's page fills the table, or fails at its check",
        (f"{_ANNOUNCING}test_five_of_an_invoice_are_kept_also_of_those_that_arrive_together",),
    ),
)
