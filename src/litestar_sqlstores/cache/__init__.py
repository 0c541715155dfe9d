"""A response cache that is safe by itself: Litestar's ``cache=`` on handlers, with nothing of one visitor for another.

Litestar's own cache stores what passes by. :class:`~litestar_sqlstores.SQLStoresPlugin` takes its place wherever the
cache's store is one of this package; with any other store, Litestar's behaviour stays as it is.

- Nothing personal is stored: no response with a cookie or ``Cache-Control: private``, ``no-store`` or ``no-cache``, and
  none that was made with an ``Authorization`` header, the session, ``request.user`` or ``request.auth``.
- Nothing incomplete is stored, and nothing that middleware around the cache adds.
- A visitor gets a response that was made for a request like theirs: method, scheme, host, path and query, the encodings
  that they accept, and whatever ``Vary`` names.
- A cache that is away, slow, full or garbled is a miss and a line in the log. The page comes all the same.

The parts: ``routes`` puts the ``middleware`` on each cached route, and ``config`` makes Litestar look here.
``requests`` says what a request looks for and ``keys`` where that is; ``storage`` gets and sets ``records``.
``watching`` notices what a handler uses, ``recording`` keeps what it answers, ``policy`` says whether that may be
stored. ``compat`` holds what no public interface of Litestar offers.
"""

from __future__ import annotations

from litestar_sqlstores.cache.config import CheckedResponseCacheConfig
from litestar_sqlstores.cache.policy import DESPITE_CREDENTIALS
from litestar_sqlstores.cache.routes import cache_responses

__all__ = ("DESPITE_CREDENTIALS", "CheckedResponseCacheConfig", "cache_responses")
