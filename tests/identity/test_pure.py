"""What needs no app: which redirect targets are ours, what browsers are called."""

import pytest

from app.identity import redirects
from app.identity.user_agents import browser_name


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


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Windows"),
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0", "Edge on Linux"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1", "Safari on iPhone"),
        ("curl/8.0", "curl/8.0"),
        ("", "Unknown browser"),
    ],
)
def test_browsers_are_called_what_people_call_them(user_agent: str, name: str) -> None:
    assert browser_name(user_agent) == name
