"""A response that is made once a minute, however many workers serve it, and anew when it is out of date.

litestar --app examples.response_cache:app run

curl localhost:8000/prices
curl -X PUT 'localhost:8000/prices/tea?cents=450'
curl localhost:8000/prices
"""

import os
from datetime import UTC, datetime
from typing import Any

from litestar import Litestar, Request, get, put
from litestar.config.response_cache import ResponseCacheConfig
from litestar.params import FromPath, FromQuery

from litestar_sqlstores import SQLStoresPlugin

prices = {"tea": 400, "coffee": 350}


@get("/prices", cache=60)
async def list_prices() -> dict[str, Any]:
    """What takes long to find out, as an example pretends."""
    return {"cents": prices, "made": datetime.now(UTC)}


@put("/prices/{name:str}")
async def change_price(request: Request[Any, Any, Any], name: FromPath[str], cents: FromQuery[int]) -> None:
    """Change a price, and have all workers forget what they have cached. Sessions would stay as they are."""
    prices[name] = cents
    await request.app.stores.get("response_cache").delete_all()


app = Litestar(
    [list_prices, change_price],
    plugins=[SQLStoresPlugin(os.environ.get("DATABASE_URL", "sqlite:///app.db"))],
    response_cache_config=ResponseCacheConfig(),  # it takes the store "response_cache", which the plugin provides
)
