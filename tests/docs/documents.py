"""The Python in the README and in docs/: what there is, and which tests show that it runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

__all__ = ("SHOWN", "codes", "shows")

ROOT = Path(__file__).parents[2]
HEADING_OR_CODE = re.compile(r"^##? ([^\n]+)\n|```python\n(.*?)```", re.MULTILINE | re.DOTALL)

SHOWN: set[tuple[str, str]] = set()
"""The sections whose code a test runs, as document and heading."""


def codes() -> dict[tuple[str, str], str]:
    """The code of each section that has some."""
    found: dict[tuple[str, str], str] = {}
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))):
        document = path.relative_to(ROOT).as_posix()
        title = ""
        for heading, code in HEADING_OR_CODE.findall(path.read_text()):
            title = heading or title
            if code:
                assert (document, title) not in found, "one example a section, so that each is tested"
                found[document, title] = code
    return found


def shows(document: str, title: str) -> pytest.MarkDecorator:
    """Give a test the module `app`, which holds the code of a section as printed, as the fixture of that name."""
    SHOWN.add((document, title))
    return pytest.mark.parametrize("app", [(document, title)], indirect=True, ids=[title])
