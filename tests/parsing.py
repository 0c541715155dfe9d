"""A second opinion on statements for servers that are not at hand: sqlfluff's parsers, one for each dialect."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import sqlfluff
from sqlfluff.api import APIParsingError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ("unparsable",)


def unparsable(sql: str, dialect: str, unknown: Iterable[tuple[str, str]] = ()) -> str | None:
    """What sqlfluff says against statements.

    Args:
        sql: One statement, or several with semicolons between.
        dialect: The name of the dialect, such as `oracle`.
        unknown: What is right and the parser does not know, and what it is given instead: patterns and replacements.
    """
    for pattern, replacement in unknown:
        sql = re.sub(pattern, replacement, sql)
    try:
        sqlfluff.parse(f"{sql};\n", dialect=dialect)
    except APIParsingError as error:
        return str(error)
    return None
