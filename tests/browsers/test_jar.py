"""That the browsers of these tests keep cookies as real ones do (RFC 6265)."""

from __future__ import annotations

import pytest

from tests.browsers.jar import CookieJar

NOW = 1_000_000.0
HOST = "shop.test"


def jar_of(*headers: str, host: str = HOST, path: str = "/a/b") -> CookieJar:
    jar = CookieJar()
    for header in headers:
        jar.receive(header, host, path, NOW)
    return jar


def sent(jar: CookieJar, path: str = "/", host: str = HOST, now: float = NOW) -> list[str]:
    return [f"{cookie.name}={cookie.value}" for cookie in jar.cookies_for(host, path, now)]


def test_several_of_one_name_go_out_the_longest_path_first() -> None:
    jar = jar_of("id=root; Path=/", "id=deep; Path=/app/part", "id=app; Path=/app")
    assert sent(jar, "/app/part/x") == ["id=deep", "id=app", "id=root"]
    assert sent(jar, "/app") == ["id=app", "id=root"]
    assert sent(jar, "/apple") == ["id=root"]


def test_older_ones_go_out_first_also_if_they_were_changed() -> None:
    assert sent(jar_of("a=1; Path=/", "b=1; Path=/", "a=2; Path=/")) == ["a=2", "b=1"]


def test_without_a_path_it_is_that_of_the_folder() -> None:
    jar = jar_of("a=1", "b=1; Path=relative")
    assert sent(jar, "/a/c") == ["a=1", "b=1"]
    assert sent(jar, "/") == []


@pytest.mark.parametrize(
    "removal", ["id=; Max-Age=0", "id=x; Max-Age=-1", "id=null; Expires=Thu, 01 Jan 1970 00:00:00 GMT"]
)
def test_removals(removal: str) -> None:
    assert sent(jar_of("id=1; Path=/", f"{removal}; Path=/")) == []
    assert sent(jar_of("id=1; Path=/", f"{removal}; Path=/other")) == ["id=1"]


def test_expiries_and_which_of_them_counts() -> None:
    jar = jar_of("id=1; Path=/; Max-Age=10; Expires=Thu, 01 Jan 1970 00:00:00 GMT")
    assert sent(jar, now=NOW + 9) == ["id=1"]
    assert sent(jar, now=NOW + 10) == []


def test_domains() -> None:
    jar = jar_of("alone=1; Path=/", "wide=1; Path=/; Domain=.shop.test")
    assert sent(jar, host="mirror.shop.test") == ["wide=1"]
    assert sent(jar, host="notshop.test") == []
    with pytest.raises(ValueError, match="was set by"):
        jar_of("id=1; Domain=other.test")
