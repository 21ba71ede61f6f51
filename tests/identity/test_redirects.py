"""Targets of redirects: only our own paths."""

import pytest

from app.identity import redirects


@pytest.mark.parametrize("path", ["/", "/cabinet", "/cabinet/MCH-1/test/invoices?status=paid&q=a%20b#top", "/a//b"])
def test_own_paths(path: str) -> None:
    assert redirects.own(path, "/x") == path


@pytest.mark.parametrize(
    "path",
    [
        *("", "cabinet", "//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example", "/a\\b"),
        *("https://evil.example", "http:evil.example", "javascript:alert(1)", "/\t/evil.example", "/\n/evil"),
        *("/a b", "/é", "/a\r\nSet-Cookie: x=1", "/" + "a" * 1000, "\0", "/\0"),
    ],
)
def test_everything_else_is_not(path: str) -> None:
    assert redirects.own(path, "/x") == "/x"
