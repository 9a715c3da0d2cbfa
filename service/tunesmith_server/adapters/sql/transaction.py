"""A transaction's scopes: one tenant's rows, or what no tenant owns."""

from sqlalchemy import Connection

from tunesmith_server.adapters.sql.system import SqlSystemScope
from tunesmith_server.adapters.sql.tenant_scope import SqlTenantScope


class SqlTransaction:
    """One transaction on one connection."""

    def __init__(self, connection: Connection, *, writes: bool) -> None:
        self._connection = connection
        # SQLite's writer is alone; PostgreSQL locks the rows that a write transaction reads
        self._locks = writes and connection.dialect.name == "postgresql"
        self.system = SqlSystemScope(connection, self._locks)

    def of(self, tenant: str) -> SqlTenantScope:
        """The rows of a tenant; NotFound if there is no such tenant."""
        system = self.system
        return SqlTenantScope(self._connection, system.tenant(tenant), self._locks, system.tenant)
