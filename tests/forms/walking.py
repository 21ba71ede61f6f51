"""Opens the page of a form and submits the form with its fields."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from html import unescape
from urllib.parse import urlencode

import httpx

from app.core import clock, database
from app.identity.form_routes import EVERY_PAGE, FormDeclaration, StepUp, declared, page_of
from app.web.edge import Edge
from tests.forms.filled import Filled
from tests.identity.browsing import Account, Browser

_FORM = re.compile(r'<form[^>]* method="post" action="([^"]+)"[^>]*>(.*?)</form>', re.DOTALL)
_HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)">')


def forms_of(app: Edge) -> dict[str, FormDeclaration]:
    """Every address that a form is sent to, as a pattern."""
    return dict(declared(app._app.routes))


def address(pattern: str, ids: Mapping[str, str]) -> str:
    """A pattern with ids in it."""
    return re.sub(r"\{(\w+):\w+\}", lambda found: ids[found[1]], pattern)


async def audited() -> int:
    """The number of rows of the audit log."""
    count: int = await database.fetch_value("SELECT count(*) FROM audit_entries WHERE action NOT LIKE 'step_up%'")
    return count


@dataclass
class Walker:
    """A signed-in person with an authenticator. `ids` has a value for each name of an address's parameter."""

    browser: Browser
    account: Account
    ids: dict[str, str]

    async def open(self, pattern: str, declaration: FormDeclaration, filled: Filled) -> tuple[str, dict[str, str]]:
        """Open the form's page. Returns the address to send to, and all fields, filled in."""
        ids = self.ids | dict(filled.ids)
        target, query = address(pattern, ids), urlencode(filled.query)
        assert declaration.page != EVERY_PAGE
        page = address(page_of(pattern, declaration), ids) + (f"?{query}" if query else "")
        shown = await self.browser.get(page)
        assert shown.status_code == 200, (page, shown.status_code)
        found = [inner for action, inner in _FORM.findall(shown.text) if unescape(action) == target]
        assert found, f"{page} has no form for {target}"
        fields = {name: unescape(value) for name, value in _HIDDEN.findall(found[0])} | dict(filled.fields)
        if declaration.step_up is StepUp.CODE_EACH_TIME:
            fields["code"] = self.account.code()
        has_key_in_address = "form=" in str(shown.request.url)
        assert not has_key_in_address or fields["csrf_token"].split(".")[0] in str(shown.request.url), page
        return target, fields

    async def code_given(self, ago: timedelta = timedelta()) -> None:
        """Set the time at which a code was given."""
        await database.execute(
            "UPDATE sessions SET code_given_at = $2 WHERE account = $1", self.account.id, clock.now() - ago
        )


def text_of(answer: httpx.Response) -> str:
    """The text of an answer's page."""
    return unescape(answer.text)
