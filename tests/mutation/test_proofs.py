"""A test that was emptied, skipped or taken away is no proof."""

from pathlib import Path

import pytest

from tests.mutation import proofs

HELPED = """
def check(x):
    assert x
"""


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("def test_it():\n    assert 1 + 1 == 2\n", None),
        ("async def test_it():\n    with pytest.raises(ValueError):\n        int('x')\n", None),
        ("from tests.helped import check\ndef test_it():\n    check(1)\n", None),
        ("def test_it():\n    pass\n", "asserts nothing"),
        ("def test_it():\n    assert True\n", "asserts nothing"),
        ("def test_it():\n    print(1)\n", "asserts nothing"),
        ("@pytest.mark.skip\ndef test_it():\n    assert 1 + 1 == 2\n", "skipped"),
        ("@pytest.mark.xfail(strict=False)\ndef test_it():\n    assert 1 + 1 == 2\n", "may fail"),
        ("pytestmark = [pytest.mark.skipif(True)]\ndef test_it():\n    assert 1 + 1 == 2\n", "skipped"),
        ("class TestIt:\n    def test_it(self):\n        assert 1 + 1 == 2\n", "no such test"),
        ("def test_another():\n    assert 1 + 1 == 2\n", "no such test"),
    ],
)
def test_what_proves_nothing_is_named(
    body: str, problem: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tests = tmp_path / "tests"
    tests.mkdir()
    (tests / "helped.py").write_text(HELPED)
    (tests / "test_one.py").write_text(body)
    monkeypatch.setattr(proofs, "TESTS", tests)
    found = proofs.why_no_proof("test_one.py::test_it[some case]")
    assert found is None if problem is None else problem in str(found)
    assert "no such file" in str(proofs.why_no_proof("test_two.py::test_it"))
