"""Notes of operators. Rows are only added; a trigger refuses UPDATE and DELETE."""

from piccolo.columns import BigSerial
from piccolo.constraints import Check
from piccolo.table import Table

from app.accounts.tables import Account
from app.core import columns


class CaseNote(Table, tablename="case_notes"):
    """One note. `subject` is the id of a payout, of a refund, of the deposit in review, or of an alert."""

    id = BigSerial(primary_key=True)
    kind = columns.words(10)
    subject = columns.words(20)
    account = columns.reference(Account)
    words = columns.text()
    written_at = columns.moment()

    case_notes_kind_known = columns.one_of("kind", "payout", "refund", "review", "alert")
    case_notes_words_sane = Check("char_length(words) BETWEEN 1 AND 2000")
