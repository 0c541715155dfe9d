"""Runs the contract of litestar-sqlstores over the toy: `pytest -p examples.toy_backend.contract tests/contract`."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from examples.toy_backend import ToyConfig
from tests.backends import EVERYTHING, Backend, Database, register


def _config(path: Path, pool_size: int) -> ToyConfig:
    return ToyConfig(connection_config={"database": str(path), "pool_size": pool_size})


def _database(_: None, folder: Path) -> Database:
    path = folder / "toy.db"
    return Database(partial(_config, path), f"toy:///{path}")


register(Backend("toy", _database, formats=("bytes",), capabilities=EVERYTHING - {"processes", "schemas", "json"}))
