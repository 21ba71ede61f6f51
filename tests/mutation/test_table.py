"""The table of faults is in step with code and tests: checked each time, while `make mutate` runs it now and then."""

import pytest

from tests.mutation.faults import FAULTS, FAULTS_BY_AREA
from tests.mutation.proofs import why_no_proof
from tests.mutation.table import ROOT, Fault

AREAS = {
    *("invoices", "deposits", "bitcoin", "ledger", "refunds", "return addresses", "payouts", "reconciliation"),
    *("keys", "sessions", "totp", "csrf", "idempotency", "rate limits"),
    *("webhook signing", "webhook targets", "webhook schedule", "webhook pausing"),
    *("signer", "approvals", "coins", "coin signer", "timed attempts", "sweeps with energy"),
    *("rates", "lookups", "wallets", "tokens", "reading tron", "sending on tron", "database hosts", "growth"),
}
FEWEST = 60
FEWEST_OF_AN_AREA = 4


def test_the_table_covers_what_must_not_go_wrong() -> None:
    assert set(FAULTS_BY_AREA) == AREAS
    assert len(FAULTS) >= FEWEST
    assert {area for area, faults in FAULTS_BY_AREA.items() if len(faults) < FEWEST_OF_AN_AREA} == set()


def test_no_fault_is_there_twice() -> None:
    assert len({(fault.file, fault.old, fault.new) for fault in FAULTS}) == len(FAULTS)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_fits_its_file_and_has_a_test_that_could_notice_it(fault: Fault) -> None:
    source = (ROOT / fault.file).read_text()
    assert fault.applied(source) != source
    assert fault.harm
    assert fault.noticed_by
    assert [problem for node in fault.noticed_by if (problem := why_no_proof(node))] == []


def test_a_row_that_is_out_of_date_says_so() -> None:
    fault = Fault("app/x.py", "a = 1", "a = 2", "harm", ("x.py::test_x",))
    assert fault.applied("a = 1\n") == "a = 2\n"
    for source in ("", "a = 1\na = 1\n"):
        with pytest.raises(ValueError, match="bring the row up to date"):
            fault.applied(source)
    with pytest.raises(ValueError, match="no Python"):
        Fault("app/x.py", "1", "(", "harm", ()).applied("a = 1")
