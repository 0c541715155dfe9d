"""A double of Oracle Database: the real python-oracledb, with HSQLDB behind it instead of a network and a server.

Real are python-oracledb's connections, cursors, variables, temporary LOBs and errors; how it parses statements and
finds the names of binds; how it checks and converts what is bound, for one row and for many. So are SQLSpec's config,
its driver and its type handlers; and HSQLDB's parser and executor for Oracle's syntax, its constraints, transactions
and clock.

Bypassed are the protocol, the login and the encoding on the wire; the pool; prefetching and fetching in parts, so that
a statement is a round trip; Oracle's optimizer, its consistent reads and its row locks (HSQLDB locks the table, since
in its other modes FOR UPDATE holds nothing); and what `hsqldb.REWRITES` lists.

What passes here has the right logic, and statements that differ from Oracle's syntax in nothing that HSQLDB knows. That
Oracle takes every one of them is not proved: `tests/oracle` lints them, and a live server has the last word.

This needs private parts of python-oracledb, so the tests pin its version.
"""

from __future__ import annotations

from tests.oracle_double.driver import Server

__all__ = ("Server",)
