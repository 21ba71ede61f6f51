"""Folders of the files that come with the code: templates, static files, documentation, catalogues, a test token.

In a checkout `templates`, `static` and `docs` are folders beside the package `app`. A wheel has them inside the package
(`[tool.hatch.build.targets.wheel]` in pyproject.toml), because `site-packages` is shared with other projects. The
other files are in the package in both cases. No path depends on the working directory.
"""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
"""The folder of the package `app`."""

CHECKOUT = None if (PACKAGE / "templates").is_dir() else PACKAGE.parent
"""The folder of the sources, or None where Swap Pay was installed from a wheel."""

TEMPLATES = (CHECKOUT or PACKAGE) / "templates"
STATIC = (CHECKOUT or PACKAGE) / "static"
DOCS = (CHECKOUT or PACKAGE) / "docs"
LOCALES = PACKAGE / "locales"
MIGRATIONS = PACKAGE.parent / "piccolo_migrations"
"""A package beside `app` in both cases."""
