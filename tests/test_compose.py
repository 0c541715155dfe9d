"""That compose.yaml, CONTRIBUTING.md and the tests speak of the same servers."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from tests.oracle.servers import ORACLE_VARIABLE
from tests.servers import mysql, postgres, spanner

ROOT = Path(__file__).parents[1]
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
GUIDE = (ROOT / "CONTRIBUTING.md").read_text()
VARIABLES = {
    "postgresql": postgres.VARIABLE,
    "mysql": mysql.MYSQL_VARIABLE,
    "mariadb": mysql.MARIADB_VARIABLE,
    "oracle": ORACLE_VARIABLE,
    "spanner": spanner.VARIABLE,
}
EXPORTS = dict(shlex.split(line)[2].split("=", 1) for line in re.findall(r"^\$ export .*$", GUIDE, re.MULTILINE))


def test_the_guide_points_the_tests_at_every_server_and_at_no_other() -> None:
    assert set(EXPORTS) == set(VARIABLES.values())
    assert set(SERVICES) == {*VARIABLES, "spanner-health", "redis"}
    assert [name for name in VARIABLES.values() if f"| `{name}` |" not in GUIDE] == []


@pytest.mark.parametrize("service", VARIABLES)
def test_a_variable_leads_to_the_port_and_the_password_of_its_service(service: str) -> None:
    value = EXPORTS[VARIABLES[service]]
    url = urlsplit(value if "://" in value else f"//{value}")
    assert (url.hostname, url.port) == ("127.0.0.1", _published(SERVICES[service]))
    passwords = [text for name, text in SERVICES[service].get("environment", {}).items() if "PASSWORD" in name]
    assert passwords == ([url.password] if url.password else [])


def test_no_server_can_be_reached_from_elsewhere_or_hides_another() -> None:
    ports = [_published(service) for service in SERVICES.values() if "ports" in service]
    assert len(ports) == len(set(ports)) == len(SERVICES) - 1
    assert not {5432, 3306, 1521, 9010, 6379} & set(ports)


def test_docker_can_tell_when_each_is_ready() -> None:
    watched = {
        service.get("network_mode", f"service:{name}").removeprefix("service:")
        for name, service in SERVICES.items()
        if service.get("healthcheck", {}).get("test")
    }
    assert watched == {*VARIABLES, "redis"}


@pytest.mark.parametrize("service", SERVICES)
def test_an_image_has_a_version(service: str) -> None:
    assert re.fullmatch(r"[\w./-]+:\d[\w.-]*", SERVICES[service]["image"])


def _published(service: dict[str, Any]) -> int:
    [port] = service["ports"]
    host, published, _ = port.split(":")
    assert host == "127.0.0.1"
    return int(published)
