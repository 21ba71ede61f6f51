"""What an open page gets when it reads itself again."""

import re
from collections.abc import Callable

from app.core.settings import Settings
from app.wiring import Services
from tests.factories.invoices import invoice
from tests.factories.merchants import join, terms
from tests.identity.browsing import Browser, an_account

RESULTS = re.compile(r'<div id="results".*?</table>', re.DOTALL)


async def test_a_list_sends_its_rows_alone_and_they_are_those_of_the_whole_page(
    browser: Callable[..., Browser], settings: Settings, works: Services
) -> None:
    its = await terms(service_fee_bps=0)
    await invoice(works, its, amount="5.00", order_id="A-1")
    account = await an_account(settings, "mara@example.test")
    await join(its.merchant_id, account.id, "owner")
    person = browser()
    await person.sign_in(account)
    path = f"/cabinet/{its.merchant_id}/test/invoices"

    async def read(parts: str) -> str:
        answer = await person.client.get(path, headers={"HX-Request": "true", "X-Live-Parts": parts})
        assert answer.status_code == 200
        assert re.search(r'data-live-at="[1-9]\d+"', answer.text)
        return answer.text

    whole, part, frame = (await person.get(path)).text, await read("results"), await read("results navigation")
    assert "A-1" in part
    assert RESULTS.search(part)[0] == RESULTS.search(whole)[0] == RESULTS.search(frame)[0]  # type: ignore[index]
    assert "<head" not in part
    assert "<form" not in part
    assert 'id="navigation"' in frame
    assert "A-1" in await read("results elsewhere"), "a part without a block: the whole content"
