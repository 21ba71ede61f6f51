"""`swap-pay …`: the commands of operators, and those that the Procfile runs."""

import click

from app.cli.lazily import LazyGroup, Place

COMMANDS = {
    "alerts": Place("app.cli.alerts", "alerts", "Alerts that nobody has acknowledged yet."),
    "approvals": Place("app.cli.withdrawals", "approvals", "Payouts and refunds that wait for an operator."),
    "check-integration": Place(
        "app.cli.check_integration",
        "check_integration",
        "Send test events in awkward ways to your webhook endpoint, and say what it does right and wrong.",
    ),
    "checkpoint": Place(
        "app.cli.books", "checkpoint", "Sign the current heads of all ledgers, in addition to the hourly checkpoints."
    ),
    "create-key": Place("app.cli.creation", "create_key", "Create an API key."),
    "create-merchant": Place(
        "app.cli.creation", "create_merchant", "Create an approved merchant that accepts every configured asset."
    ),
    "create-operator": Place("app.cli.creation", "create_operator", "Create an operator's account."),
    "doctor": Place("app.cli.doctor", "doctor", "Check this deployment."),
    "drill": Place("app.cli.drill", "drill", "Try a backup, before it is needed; and restore it, when it is."),
    "events": Place("app.cli.events", "events", "Your merchant's events, sent again."),
    "export-evidence": Place(
        "app.cli.books",
        "export_evidence",
        "Write the signed evidence of a merchant's month: entries, checkpoints, proofs, transactions (docs/ledger.md).",
    ),
    "export-ledger": Place(
        "app.cli.books",
        "export_ledger",
        "Write one ledger to standard output, in a format that anybody can verify (docs/ledger.md).",
    ),
    "holds": Place("app.cli.withdrawals", "holds", "Ledgers that nothing is sent from, after a deep reorganisation."),
    "listen": Place(
        "app.cli.listen",
        "listen",
        "Show your merchant's events as they come, and send them to a server on your machine.",
    ),
    "migrate": Place(
        "app.cli.schema", "migrate", "Migrate the database to the schema of this version, and print what was applied."
    ),
    "new-secret": Place(
        "app.cli.keys",
        "new_secret",
        "Print 32 random bytes in base64, the format of every key and secret in the settings.",
    ),
    "reconcile": Place("app.cli.books", "reconcile", "Compare the books with themselves and with the chains."),
    "remove-operator": Place(
        "app.cli.operators",
        "remove_operator",
        "Remove an account's right to act as an operator, and sign it out everywhere.",
    ),
    "reviews": Place("app.cli.reviews", "reviews", "Deposits that wait for a decision."),
    "rotate-data-key": Place(
        "app.cli.keys",
        "rotate_data_key",
        "Encrypt webhook and TOTP secrets, and mail that waits, again with the first key of DATA_KEYS.",
    ),
    "sandbox": Place(
        "app.cli.sandbox", "sandbox", "Try the gateway on this machine: everything it needs, and a customer."
    ),
    "signer": Place("app.cli.signer", "signer", "The signer's keys."),
    "switch": Place(
        "app.cli.switch", "switch", "Pause new invoices, payouts or refunds for all merchants, or resume them."
    ),
    "trigger": Place(
        "app.cli.trigger",
        "trigger",
        "Make an event happen in the running sandbox, for real: invoices are created by API and paid on the chain.",
    ),
    "verify-ledger": Place(
        "app.cli.books",
        "verify_ledger",
        "Re-compute every hash chain of the database, or of an export, and compare it with the signed checkpoints.",
    ),
    "web": Place("app.cli.web", "web", "Serve the API and the pages."),
    "worker": Place("app.cli.worker", "worker", "Run a worker of one queue: chain, signer, webhooks or default."),
}
"""Every command. Its line of help begins its docstring, and is here too so that help need not import it."""


@click.group(
    cls=LazyGroup, places=COMMANDS, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
def main() -> None:
    """Swap Pay: a self-hosted crypto payment gateway. Settings come from the environment (docs/configuration.md)."""
