"""Letters to send: written in the transaction of what they are about, sent after its commit."""

from piccolo.columns import BigSerial
from piccolo.constraints import Check
from piccolo.table import Table

from app.core import columns


class OutgoingMail(Table, tablename="mail_outbox"):
    """One letter to one mailbox. `next_attempt_at` is null once it was sent or given up (`sent_at` shows which).

    `kind` counts against the recipient's allowance; it is null in letters of earlier versions.
    `body_sealed` is null from then on. `body` is empty, except in letters of versions that did not seal bodies.
    """

    id = BigSerial(primary_key=True)
    recipient = columns.words(254)
    kind = columns.words(30, null=True)
    subject = columns.words(200)
    body = columns.text()
    body_sealed = columns.text(null=True)
    attempts = columns.number()
    next_attempt_at = columns.moment(null=True)
    last_error = columns.words(300, null=True)
    sent_at = columns.moment(null=True)
    created_at = columns.moment()

    mail_attempts_counted = Check("attempts >= 0")
