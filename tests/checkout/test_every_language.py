"""The checkout in each language on the narrowest phone: nothing is wider than the window, cut off or untranslated."""

import re
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from app.web import languages
from tests.browsing import opened
from tests.checkout.site import WORDIEST, Site, states

WIDTH_PX = 320

CUT_OFF = """() => {
    for (const hidden of document.querySelectorAll('[hidden]')) hidden.hidden = false;
    for (const closed of document.querySelectorAll('details')) closed.open = true;
    const found = [];
    for (const element of document.querySelectorAll('body *')) {
        if (element.closest('svg, .visually-hidden, [popover]:not(:popover-open)')) continue;
        const { left, right, width } = element.getBoundingClientRect();
        const clips = getComputedStyle(element).overflowX !== 'visible' && element.scrollWidth > element.clientWidth;
        if (width && (left < -0.5 || right > innerWidth + 0.5 || clips)) found.push(element.outerHTML.slice(0, 200));
    }
    return found;
}"""
"""The elements that reach beyond the window, or whose words reach beyond them, with all that may be shown opened."""

STATES = """async urls => {
    const answers = await Promise.all(urls.map(url => fetch(url)));
    const texts = await Promise.all(answers.map(answer => answer.text()));
    document.getElementById('live').innerHTML = texts.join('');
}"""
"""Puts every state into the open page, one below the other, which is much quicker than opening each."""


@pytest.mark.parametrize("language", languages.every(), ids=lambda language: language.code)
def test_every_state_fits_the_narrowest_phone(browser: Browser, site: Site, language: languages.Language) -> None:
    code = language.code
    views = {name: view for name, view in states().items() if code == "en" or name in WORDIEST}
    for name, view in views.items():
        site.put(f"{name}-{code}", view, code)
    urls = [f"{site.url(f'{name}-{code}')}/status?lang={code}" for name in views]
    host = site.put(f"cancelled-{code}", states()["cancelled"], code)
    with opened(browser, host, WIDTH_PX, reduced_motion="reduce", bypass_csp=True) as page:
        html = page.locator("html")
        assert (html.get_attribute("lang"), html.get_attribute("dir")) == (code, language.direction)
        page.evaluate(STATES, urls)
        assert page.locator(".payment").count() == len(views)
        assert page.evaluate(CUT_OFF) == []
        assert not re.search(r"%\(\w+\)|\{\w+\}", page.locator("body").inner_text())

        page.locator("#open-languages").click()
        chosen = page.locator("#languages [aria-current]")
        assert (chosen.inner_text(), chosen.get_attribute("lang")) == (language.name, code)
        assert page.evaluate(CUT_OFF) == []

        assert days_by_the_script(page, code) == [
            language.ngettext("%(n)s day", "%(n)s days", n) % {"n": language.count(n)} for n in (1, 2, 3, 7)
        ]
        for url in (f"{site.url(f'refunded-{code}')}/receipt?lang={code}", site.error_url(429, code)):
            page.goto(url)
            assert page.evaluate(CUT_OFF) == []


def days_by_the_script(page: Page, code: str) -> Any:
    """The page's clock goes on in the browser's own words for days, which must be those that it began with."""
    days = "new Intl.NumberFormat(code, { style: 'unit', unit: 'day', unitDisplay: 'long', numberingSystem: 'latn' })"
    return page.evaluate(f"code => [1, 2, 3, 7].map(n => {days}.format(n))", code)


def test_the_language_is_chosen_without_a_script(browser: Browser, site: Site) -> None:
    with opened(browser, site.put("spoken", states()["awaiting"]), WIDTH_PX, java_script_enabled=False) as page:
        choice = page.get_by_role("link", name="Українська")
        assert not choice.is_visible()
        page.get_by_role("button", name="Language: English").press("Enter")
        choice.click()
        assert page.locator("html").get_attribute("lang") == "uk"
        assert page.get_by_role("heading", name="Очікуємо на ваш платіж").is_visible()
