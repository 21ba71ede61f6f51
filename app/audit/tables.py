"""The audit log. Rows are only added; a trigger refuses UPDATE and DELETE."""

from piccolo.columns import BigSerial
from piccolo.table import Table

from app.core import columns


class AuditEntry(Table, tablename="audit_entries"):
    """One action. `actor` is `account:ACC-…`, `api_key:…`, `cli` or `system`; `details` is JSON, free of secrets."""

    id = BigSerial(primary_key=True)
    at = columns.moment()
    actor = columns.words(64)
    action = columns.words(64)
    subject = columns.words(64)
    merchant_id = columns.words(20, null=True)
    address = columns.words(45, null=True)
    details = columns.text()
