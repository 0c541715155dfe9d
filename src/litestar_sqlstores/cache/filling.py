"""Makes a page of a response that has been recorded, if it may be stored."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from litestar_sqlstores.cache.compat import csrf_token
from litestar_sqlstores.cache.policy import (
    Headers,
    accepts,
    content_encodings,
    forbids_storing,
    vary_names,
    without_cookie,
)
from litestar_sqlstores.cache.records import Page

if TYPE_CHECKING:
    from litestar_sqlstores.cache.recording import Recording
    from litestar_sqlstores.cache.requests import CacheRequest
    from litestar_sqlstores.cache.watching import Watch

__all__ = ("page_of",)

_NEVER = frozenset({206, 304})
"""What answers a part of a resource or a condition of the request is no page, whatever a filter says."""


def page_of(request: CacheRequest, recording: Recording, watch: Watch) -> tuple[Page, set[str]] | None:
    """The page to store, and the request headers that it depends on; None if it must not be stored.

    Args:
        request: What it answers.
        recording: The complete response.
        watch: What was used to make it.
    """
    csrf = request.scope["litestar_app"].csrf_config
    if watch.personal and not request.despite_credentials:
        return None
    # Litestar's CSRF middleware gives each visitor a cookie of their own, on a page from the cache as well.
    headers = recording.headers if csrf is None else without_cookie(recording.headers, csrf.cookie_name)
    names = vary_names(headers)
    if recording.status in _NEVER or names is None or forbids_storing(headers):
        return None
    if not recording.has_right_length(request.scope["method"]) or not accepts(request.accepted, headers):
        return None
    body = recording.body()
    if csrf is not None and watch.csrf_token and _may_contain(csrf_token(request.scope), headers, body):
        return None
    if content_encodings(headers):
        names.add("accept-encoding")
    if watch.cookies and not request.despite_credentials:
        names.add("cookie")
    return Page.of(recording.status, list(headers), body), (names | request.names) - request.covered


def _may_contain(token: str, headers: Headers, body: bytes) -> bool:
    """Whether a response has the CSRF token in it; it counts as if it had where its encoding hides that."""
    sought = token.encode()
    if any(sought in value for _, value in headers):
        return True
    encodings = content_encodings(headers)
    if not encodings:
        return sought in body
    if encodings == ["gzip"]:
        try:
            return sought in zlib.decompress(body, wbits=31)
        except zlib.error:
            return True
    return True
