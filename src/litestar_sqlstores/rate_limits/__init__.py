"""A rate limit that holds over any number of workers.

Litestar's own reads how often a client has called, counts in the worker and writes the result, so that workers which do
this at the same time let up to limit x workers calls through. Here the database counts: one atomic increment a request.

``config`` is what an application sets; ``middleware`` counts a request, and lets it through or not.
"""

from __future__ import annotations

from litestar_sqlstores.rate_limits.config import SQLRateLimitConfig
from litestar_sqlstores.rate_limits.middleware import SQLRateLimitMiddleware

__all__ = ("SQLRateLimitConfig", "SQLRateLimitMiddleware")
