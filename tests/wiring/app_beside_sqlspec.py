"""What `litestar --app` loads: both plugins on the database that the environment names."""

from __future__ import annotations

import os
from typing import Any

from litestar import Litestar
from sqlspec.base import SQLSpec
from sqlspec.extensions.litestar import SQLSpecPlugin

from litestar_sqlstores import SQLStoresPlugin, create_store

plain: Any = create_store(os.environ["URL"]).config
config: Any = type(plain)(
    connection_config=dict(plain.connection_config),
    migration_config={
        "script_location": os.environ["MIGRATIONS"],
        "version_table_name": f"{os.environ['TABLE']}_versions",
    },
)
spec = SQLSpec()
spec.add_config(config)
app = Litestar([], plugins=[SQLStoresPlugin(table=os.environ["TABLE"]), SQLSpecPlugin(spec)])
