"""Values that tests of the domain and the use cases start from."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from tunesmith_server.domain.fine_tune import (
    DatasetVersion,
    FineTune,
    Resolved,
    ResolvedHyperparameters,
    Spec,
)
from tunesmith_server.domain.names import FineTuneName
from tunesmith_server.domain.states import State

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def a_run(**changes: Any) -> FineTune:
    """A queued run of tenant acme, changed as told."""
    run = FineTune(
        name=FineTuneName("acme", "bot"),
        uid="0192f0c1-0000-7000-8000-0123456789ab",
        spec=Spec("ada", "tickets"),
        resolved=Resolved(
            base_model="ada",
            base_model_name="ada",
            parent_model=None,
            training=DatasetVersion("tickets", "ab" * 32, "prompt_completion", 400, 30_000),
            validation=None,
            hyperparameters=ResolvedHyperparameters(
                4, 8, 1e-3, 0.1, 0.01, 0.1, 0.0, 2048, 8, 16.0, 0.0, 5, None
            ),
            seed=42,
            backend="local",
            worst_case_tokens=120_000,
        ),
        state=State.QUEUED,
        create_time=NOW,
        update_time=NOW,
    )
    return replace(run, **changes)
