"""Pictures of the checkout page for people to look at: `python -m tests.screens [folder]`, else into `var/screens`.

English in every state; the other languages in the states with the most words; phone and desk, light and dark.
"""

import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from app.web import languages
from tests.checkout.conftest import CHROMIUM, QUIET
from tests.checkout.site import ROOT, Site, states

SAMPLE = ("awaiting_test_mode", "branded", "confirming_delayed", "paid_twice", "expired", "manual_review", "refunded")
ERRORS = (404, 429, 500)
SIZES = ((1280, "light"), (1280, "dark"), (360, "light"), (360, "dark"))


def main(folder: Path = ROOT / "var" / "screens") -> None:
    """Writes the pictures, named for state, language, width and scheme."""
    folder.mkdir(parents=True, exist_ok=True)
    site = Site()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        for width, scheme in SIZES:
            context = browser.new_context(
                viewport={"width": width, "height": 800}, color_scheme=scheme, reduced_motion="reduce"
            )
            page = context.new_page()
            for name, url in pages(site, every_language=(width, scheme) in ((1280, "light"), (360, "dark"))).items():
                page.goto(url)
                page.screenshot(path=folder / f"{name}-{width}-{scheme}.png", full_page=True)
            context.close()
        browser.close()
    site.close()


def pages(site: Site, *, every_language: bool) -> dict[str, str]:
    """The address of every picture's page, by its name."""
    found: dict[str, str] = {}
    for language in languages.every() if every_language else languages.every()[:1]:
        code = language.code
        for name, view in states().items():
            if code == "en" or name in SAMPLE:
                found[f"{name}-{code}"] = site.put(f"{name}-{code}", view, code)
        found[f"receipt-{code}"] = f"{site.url(f'refunded-{code}')}/receipt?lang={code}"
        found |= {f"error-{status}-{code}": site.error_url(status, code) for status in ERRORS}
    return found


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
