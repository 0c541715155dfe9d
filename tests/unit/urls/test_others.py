"""URLs of Cloud Spanner and Oracle."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from litestar_sqlstores import create_store
from litestar_sqlstores.errors import ConfigurationError
from tests.unit.urls.reading import config_of

if TYPE_CHECKING:
    from collections.abc import Mapping

SPANNER = "spanner:///projects/p/instances/i/databases/d"


@pytest.mark.parametrize(
    "url, expected",
    [
        (
            "oracle://u:p%40@host:1522/?service_name=s",
            {"password": "p@", "port": 1522, "service_name": "s"},
        ),
        ("oracle://u:p@host/sid", {"sid": "sid", "host": "host", "port": 1521}),
        ("oracle+oracledb://u:p@alias", {"dsn": "alias"}),
        (
            "oracle://h/?service_name=s&tcp_connect_timeout=5&retry_count=3&ssl_server_dn_match=false",
            {"tcp_connect_timeout": 5.0, "retry_count": 3, "ssl_server_dn_match": False},
        ),
    ],
)
def test_an_oracle_url_is_read_as_sqlalchemy_reads_it(url: str, expected: Mapping[str, object]) -> None:
    config = config_of(url)
    assert {name: config[name] for name in expected} == expected


@pytest.mark.parametrize(
    "url, message",
    [
        ("oracle://u:s3cr3t@/", "names a database"),
        ("oracle://u:s3cr3t@a,b/?service_name=s", r"one host; name several in tnsnames\.ora"),
        ("oracle://u:s3cr3t@host/sid?service_name=s", "a SID as its path"),
        ("oracle://u:s3cr3t@host/?service=s", "no option 'service'; it may have service_name"),
        ("oracle://u:s3cr3t@host/?service_name=s&retry_count=some", "retry_count is 'some'; it may be a number"),
        ("oracle://u:s3cr3t/?service_name=s", "port is a number"),
        (f"{SPANNER}?staleness=5", "no option 'staleness'; it may have none"),
        (f"{SPANNER}#1", "a Spanner URL is"),
        ("spanner:///projects/p", "a Spanner URL is"),
    ],
)
def test_what_a_url_cannot_have_is_refused_by_name(url: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        create_store(url)
    assert "s3cr3t" not in str(caught.value)
