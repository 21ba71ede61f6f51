"""docs/architecture.md is correct: every path on it exists, and it names every folder of the code."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text()
PATH = re.compile(r"\b(?:app|workers|tests|templates|static|bench|piccolo_migrations)/[\w./]*")
PATHS = sorted({found.rstrip(".") for found in PATH.findall(PAGE)})
OTHER_PAGES = ("docs/design.md", "CONTRIBUTING.md")


def test_each_path_that_the_page_names_exists() -> None:
    """Folders end with a slash, files do not."""
    assert PATHS
    assert [path for path in PATHS if not (ROOT / path).exists()] == []
    assert [path for path in PATHS if (ROOT / path).is_dir() != path.endswith("/")] == []


@pytest.mark.parametrize("page", OTHER_PAGES)
def test_paths_that_other_pages_name_exist(page: str) -> None:
    found = {path.rstrip(".") for path in PATH.findall((ROOT / page).read_text())}
    assert [path for path in sorted(found) if not (ROOT / path).exists()] == []


def test_every_folder_of_the_code_is_on_the_page() -> None:
    folders = {f"app/{path.parent.name}/" for path in (ROOT / "app").glob("*/__init__.py")}
    assert folders - set(PATHS) == set()


def test_the_floors_of_the_page_are_those_of_the_import_contract() -> None:
    """A folder that the page shows above another is not below it in `pyproject.toml`."""
    layers = re.findall(r'^    "(.+)",$', (ROOT / "pyproject.toml").read_text().split("layers = [")[1], re.MULTILINE)
    floor = {module: number for number, layer in enumerate(layers) for module in re.findall(r"app\.(\w+)", layer)}
    picture = PAGE.split("```")[1]
    shown = re.findall(r"app/(\w+)", picture.split("faces", 1)[1])
    heights = [floor[name] for name in shown if name not in ("core", "web")]
    assert heights == sorted(heights)


@pytest.mark.parametrize("link", re.findall(r"\]\(([\w./-]+\.md)\)", PAGE))
def test_a_link_leads_to_an_existing_place(link: str) -> None:
    assert (ROOT / "docs" / link).exists()
