"""``litestar stores``: what those need who run an application. SQLStoresPlugin adds it to Litestar's commands.

Each command tells what it did on standard output, as text or with ``--json`` as one JSON document. What went wrong is
one line on standard error, and so are questions and progress, so that a pipe gets the answer alone. Exit codes: 0 it
worked, 1 it did not, 2 it cannot be asked for like this, 130 it was stopped by Ctrl-C.
"""

from __future__ import annotations

from litestar_sqlstores.cli import cleanup, entries, imports, statistics, table
from litestar_sqlstores.cli.group import stores_group

__all__ = ("stores_group",)

for module in (table, cleanup, statistics, entries, imports):
    module.add_commands(stores_group)
