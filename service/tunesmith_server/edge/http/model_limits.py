"""`/v1/fine_tuning/model_limits`: how much of each base the tenant may use.

OpenAI offers it and documents none of its fields. These have the names that tools look for; null
is no limit.
"""

from typing import Any

from starlette.responses import Response

from tunesmith_server.app.accounts import Accounts
from tunesmith_server.app.admission import UsageRow
from tunesmith_server.domain.quota import Dimension
from tunesmith_server.edge.http.calls import Incoming
from tunesmith_server.edge.http.envelopes import json_response

_COUNTED = {
    Dimension.FINE_TUNES_RUNNING: ("max_concurrent_jobs", "active_jobs"),
    Dimension.FINE_TUNES_QUEUED: ("max_queued_jobs", "queued_jobs"),
    Dimension.FINE_TUNES_CREATED_PER_DAY: ("max_jobs_per_day", "jobs_today"),
}
_RATES = {
    Dimension.REQUESTS_PER_MINUTE: "max_requests_per_minute",
    Dimension.INFERENCE_TOKENS_PER_MINUTE: "max_tokens_per_minute",
}


class LimitEndpoints:
    """The endpoint around limits."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    async def list(self, incoming: Incoming) -> Response:
        """The limits on every base that the tenant may use, under each of its names."""
        found = await self._accounts.of_bases(incoming.principal, [*_COUNTED, *_RATES])
        shown: list[dict[str, Any]] = []
        for base, rows in found:
            for name in (base.id, *base.aliases):
                limit: dict[str, Any] = {"object": "fine_tuning.model_limit", "model": name}
                for dimension, (most, taken) in _COUNTED.items():
                    row: UsageRow = rows[dimension]
                    limit |= {most: row.limit, taken: row.used + row.reserved}
                limit |= {name: rows[dimension].limit for dimension, name in _RATES.items()}
                shown.append(limit)
        return json_response({"object": "list", "data": shown})
