"""The README's pictures of three pages, made from the screenshots of `make screens`: `python -m tests.pictures`."""

from base64 import b64encode
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.browsing import SCREENS
from tests.chromium import launch_options
from tests.screens import SCHEMES

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
SHOWN = {"checkout": "checkout-awaiting-en", "cabinet": "cabinet-home", "desk": "desk-approval-usual"}
WIDTH_PX, HEIGHT_PX = 1280, 800
SCALE = 0.5


def main(taken: Path = SCREENS, folder: Path = PICTURES) -> None:
    """Write the upper part of each page, light and dark, at half its size."""
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**launch_options())
        page = browser.new_page(viewport={"width": int(WIDTH_PX * SCALE), "height": int(HEIGHT_PX * SCALE)})
        for name, screen in SHOWN.items():
            for scheme in SCHEMES:
                picture = b64encode((taken / f"{screen}-{WIDTH_PX}-{scheme}.png").read_bytes()).decode()
                page.set_content(
                    f'<body style="margin:0"><img style="width:100%" src="data:image/png;base64,{picture}">',
                    wait_until="load",
                )
                page.screenshot(path=folder / f"{name}-{scheme}.png")
        browser.close()


if __name__ == "__main__":
    main()
