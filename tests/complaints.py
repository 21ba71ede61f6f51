"""What a browser complains of while a test drives it: console errors and warnings, CSP reports, script errors."""

from playwright.async_api import Page
from playwright.sync_api import Page as SyncPage

FADE_LEFT_OUT = "Transition was aborted because of invalid state"


def complaints_of(page: Page | SyncPage, complaints: list[str] | None = None) -> list[str]:
    """Add the page's complaints from now on to `complaints`, or to a new list, which is returned: each with the URL
    that it is about.

    Chromium calls a form that was refused (422) an error, too; that it is shown again is the page's business. It
    also does where it leaves out the fade between two pages, because a test changes the window's size meanwhile.
    """
    kept = [] if complaints is None else complaints

    def note(kind: str, text: str, url: str) -> None:
        if kind in ("error", "warning") and "status of 422" not in text:
            kept.append(f"{text} ({url})")

    page.on("console", lambda message: note(message.type, message.text, message.location["url"]))
    page.on("pageerror", lambda error: kept.append(str(error)) if str(error) != FADE_LEFT_OUT else None)
    return kept
