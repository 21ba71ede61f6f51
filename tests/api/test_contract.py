"""The API is what was recorded of it: a change is seen in a review, and nothing goes without a reason."""

import pytest

from tests.api import contract

AGAIN = "record it with `make contract`, and say in docs/changelog.md what is new"


def test_the_api_is_the_recorded_one() -> None:
    now, recorded = contract.facts(contract.described()), contract.recorded()
    assert [fact for fact in now if fact not in recorded] == [], AGAIN
    assert [fact for fact in recorded if fact not in now] == [], AGAIN
    assert recorded == sorted(set(recorded))
    assert len(recorded) > 700
    for fact, reason in contract.removed().items():
        assert reason, f"{fact} was removed without a reason"
        assert fact not in now, f"{fact} is there again"


def test_nothing_goes_without_a_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path_factory.mktemp("contract")
    record, removed = folder / "contract.txt", folder / "removed.txt"
    monkeypatch.setattr(contract, "RECORDED", record)
    monkeypatch.setattr(contract, "REMOVED", removed)
    now = contract.described()
    monkeypatch.setattr(contract, "described", lambda: now)
    removed.write_text("# none\n")
    assert contract.main() == 0
    first = contract.recorded()

    now["components"]["schemas"]["Invoice"]["properties"]["colour"] = {"type": "string"}
    assert contract.main() == 0
    assert set(contract.recorded()) - set(first) == {"Invoice has colour: string, optional"}

    del now["components"]["schemas"]["Invoice"]["properties"]["colour"]
    now["components"]["schemas"]["InvoiceRequest"]["required"].append("order_id")
    capsys.readouterr()
    assert contract.main() == 1
    said = capsys.readouterr().out
    gone = [line for line in said.splitlines() if " has " in line]
    assert gone[0] == "Invoice has colour: string, optional"
    assert gone[1].startswith("InvoiceRequest has order_id: ")
    removed.write_text("".join(f"{fact} | nobody used it\n" for fact in gone))
    assert contract.main() == 0
    assert any(fact.startswith("InvoiceRequest has order_id") and "required" in fact for fact in contract.recorded())
