"""What a browser asks for, and what it is answered."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from tests.browsers.jar import Cookie, parse_set_cookie
from tests.browsers.programs import Program

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.browsers.browser import Browser
    from tests.browsers.line import Report

__all__ = ("HOSTS", "Answer", "Exchange", "Order")

HOSTS = ("shop.test", "mirror.shop.test")


@dataclass(frozen=True)
class Order:
    """What a browser is to ask for.

    Attributes:
        part: The part of the site.
        page: Its path below that.
        program: What is to happen to the session.
        query: What follows the path.
        host: Which name of the site.
        method: The HTTP method.
        language: Which language it asks for.
        gzip: Whether it takes compressed pages.
        origin: Which other site's script asks; empty for none.
        authorization: Whether it says who it is by itself.
        foreign: What a mounted application does to its own session.
        old_cookies: Whether it sends the session cookie that it had before the last one.
    """

    part: str
    page: str
    program: Program = field(default_factory=Program)
    query: str = ""
    host: str = HOSTS[0]
    method: str = "GET"
    language: str = "en"
    gzip: bool = True
    origin: str = ""
    authorization: bool = False
    foreign: str = ""
    old_cookies: bool = False

    @property
    def path(self) -> str:
        return f"/{self.part}/{self.page}"

    def __str__(self) -> str:
        """What is not as usual."""
        usual = {each.name: each.default for each in fields(self)}
        told = {"program", "part", "page"}
        unusual = {name: value for name, value in vars(self).items() if value != usual[name] and name not in told}
        return f"{self.path} {self.program.encode()} {unusual or ''}"

    @property
    def is_copied(self) -> bool:
        """Whether it goes to a mounted application that gets a copy of the scope, which its changes may stay in."""
        return self.page.startswith("litestar-true")

    @property
    def is_socket(self) -> bool:
        return self.page == "socket"


@dataclass
class Answer:
    """What came back.

    Attributes:
        status: The status; 101 for a websocket that was accepted.
        headers: The header fields.
        raw: The whole of it, as text, to be searched.
        page: The page, if it is one.
        broken: Why it could not be read to its end.
    """

    status: int
    headers: list[tuple[str, str]]
    raw: str
    page: dict[str, Any] | None = None
    broken: str = ""

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name]

    def listed(self, name: str) -> set[str]:
        """The elements of a header that is a list, in lower case."""
        return {element.strip().lower() for value in self.all(name) for element in value.split(",")}


@dataclass
class Exchange:
    """A request and its answer."""

    id: str
    browser: Browser
    order: Order
    sent: Sequence[Cookie]
    answer: Answer | None = None
    report: Report | None = None

    @property
    def cookies(self) -> list[Cookie]:
        """The cookies that came with the answer."""
        assert self.answer is not None
        headers, order = self.answer.all("set-cookie"), self.order
        return [parse_set_cookie(header, order.host, order.path, time.time()) for header in headers]

    def __repr__(self) -> str:
        sent = "; ".join(f"{cookie.name}={cookie.value[:12]} ({cookie.path})" for cookie in self.sent)
        got = self.answer and {"status": self.answer.status, "headers": self.answer.headers, "page": self.answer.page}
        return f"{self.id} [{self.order!s}; {sent}] got {got}, {self.report}"
