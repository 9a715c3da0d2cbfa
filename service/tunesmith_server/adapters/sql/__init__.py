"""The store, on SQLite or PostgreSQL.

`store` runs transactions in threads, `transaction` opens their scopes, and one module a noun holds
the statements: Core on the SQLModel tables, never the ORM's unit of work (measured at three to
seven times the cost of a whole call).
"""
