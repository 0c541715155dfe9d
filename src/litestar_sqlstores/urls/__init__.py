"""Database URLs: what each database's URL may have, and what it becomes in the config of SQLSpec.

Each module has ``connection_config``, from a URL and the number of connections in the pool to what the config takes.
Each option of a URL is taken, or refused by its name when the store is made. No error holds the URL, which may hold a
password.
"""

from litestar_sqlstores.urls import mysql, oracle, postgresql, spanner, sqlite

__all__ = ("mysql", "oracle", "postgresql", "spanner", "sqlite")
