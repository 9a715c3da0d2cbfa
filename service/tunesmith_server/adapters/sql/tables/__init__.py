"""The tables: SQLModel classes are the schema. Rows stay in `adapters/sql`.

What queries look for has a column; the rest of a value is one JSON document beside it.
"""

from tunesmith_server.adapters.sql.tables.columns import UtcDateTime
from tunesmith_server.adapters.sql.tables.datasets import (
    AnalysisRow,
    AssembledUploadRow,
    DatasetRow,
    DatasetVersionRow,
    UploadPartRow,
    UploadRow,
    VersionRow,
)
from tunesmith_server.adapters.sql.tables.quota import (
    CounterRow,
    HoldRow,
    LedgerRow,
    PresenceRow,
    ShareRow,
)
from tunesmith_server.adapters.sql.tables.runs import EventRow, FineTuneRow, ModelRow, ModelShareRow
from tunesmith_server.adapters.sql.tables.tenancy import (
    ApiKeyRow,
    AuditRow,
    BaseModelRow,
    RequestRow,
    SecretRow,
    TenantRow,
)

__all__ = [
    "AnalysisRow",
    "ApiKeyRow",
    "AssembledUploadRow",
    "AuditRow",
    "BaseModelRow",
    "CounterRow",
    "DatasetRow",
    "DatasetVersionRow",
    "EventRow",
    "FineTuneRow",
    "HoldRow",
    "LedgerRow",
    "ModelRow",
    "ModelShareRow",
    "PresenceRow",
    "RequestRow",
    "SecretRow",
    "ShareRow",
    "TenantRow",
    "UploadPartRow",
    "UploadRow",
    "UtcDateTime",
    "VersionRow",
]
