"""One migration chain over the tables of every noun."""

from piccolo.conf.apps import AppConfig, table_finder

from app.core import resources

APP_CONFIG = AppConfig(
    app_name="swap_pay",
    migrations_folder_path=str(resources.MIGRATIONS),
    table_classes=table_finder(
        modules=[
            "app.networks.tables",
            "app.audit.tables",
            "app.mail.tables",
            "app.accounts.tables",
            "app.case_notes.tables",
            "app.merchants.tables",
            "app.jobs.tables",
            "app.api_keys.tables",
            "app.web.tables",
            "app.ledger.tables",
            "app.rates.tables",
            "app.worth.tables",
            "app.events.tables",
            "app.webhooks.tables",
            "app.addresses.tables",
            "app.invoices.tables",
            "app.deposits.tables",
            "app.alerts.tables",
            "app.withdrawals.tables",
            "app.payouts.tables",
            "app.payment_links.tables",
            "app.refunds.tables",
            "app.reconciliation.tables",
            "app.reports.tables",
        ],
        exclude_imported=True,
    ),
    migration_dependencies=[],
    commands=[],
)
