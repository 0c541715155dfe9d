"""URLs of Cloud Spanner."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from litestar_sqlstores.errors import ConfigurationError
from litestar_sqlstores.urls.options import query_pairs, read_options

__all__ = ("connection_config",)


def connection_config(url: str, connections: int) -> Mapping[str, Any]:
    """What a URL says, for the client of Cloud Spanner; with a host, for an emulator there.

    Args:
        url: The URL.
        connections: How many sessions the pool has at most.

    Raises:
        ConfigurationError: The URL cannot be honoured.
    """
    parts = urlsplit(url)
    match = re.fullmatch(r"/projects/([^/]+)/instances/([^/]+)/databases/([^/]+)", parts.path)
    if match is None or parts.fragment:
        msg = "a Spanner URL is spanner:///projects/PROJECT/instances/INSTANCE/databases/DATABASE"
        raise ConfigurationError(msg)
    read_options("a Spanner URL", query_pairs(parts.query), {})
    from google.auth.credentials import AnonymousCredentials  # noqa: PLC0415 - only where it is installed
    from google.cloud.spanner_v1 import AsyncBurstyPool  # noqa: PLC0415

    config = dict(zip(("project", "instance_id", "database_id"), match.groups(), strict=True))
    # The client shares one session among all, unless told not to: then this pool makes them when they are needed.
    pool = {"pool_type": AsyncBurstyPool, "size": connections}
    if not parts.netloc:
        return {**config, **pool}
    # Only an emulator has an address of its own, and needs nobody's credentials.
    emulator = {"client_options": {"api_endpoint": parts.netloc}, "credentials": AnonymousCredentials()}
    return {**config, **pool, **emulator, "disable_builtin_metrics": True}
