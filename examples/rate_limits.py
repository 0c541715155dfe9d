"""Ten calls a minute for each client, over all workers together.

litestar --app examples.rate_limits:app run --web-concurrency 4

for _ in $(seq 12); do curl -s -o /dev/null -w '%{http_code} ' localhost:8000/; done
"""

import os

from litestar import Litestar, get

from litestar_sqlstores import SQLRateLimitConfig, SQLStoresPlugin


@get("/")
async def limited() -> int:
    """Which worker has answered."""
    return os.getpid()


app = Litestar(
    [limited],
    plugins=[SQLStoresPlugin(os.environ.get("DATABASE_URL", "sqlite:///app.db"))],
    middleware=[SQLRateLimitConfig(rate_limit=("minute", 10), exclude=["^/schema"]).middleware],
)
