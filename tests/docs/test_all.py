"""No code without a test, and no link to nowhere."""

from __future__ import annotations

import importlib
import pkgutil
import re

import pytest

import tests.docs
from tests.docs.documents import ROOT, SHOWN, codes

LINK = re.compile(r"\]\((?!https?://)([^)#\s]*)(?:#([^)\s]*))?\)")
DOCUMENTS = [path.relative_to(ROOT).as_posix() for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))]


def test_every_section_with_code_is_tested() -> None:
    for module in pkgutil.iter_modules(tests.docs.__path__, "tests.docs."):
        importlib.import_module(module.name)
    assert set(codes()) == SHOWN


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    path = ROOT / document
    for file, anchor in LINK.findall(path.read_text()):
        target = path.parent / file if file else path
        assert target.exists(), file
        if anchor:
            headings = re.findall(r"^#+ (.+)$", target.read_text(), re.MULTILINE)
            anchors = {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
            assert anchor in anchors, f"{file}#{anchor}"
