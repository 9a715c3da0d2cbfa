"""A finished run becomes a model: its artefact is kept, its names are made."""

from dataclasses import replace
from datetime import datetime, timedelta

from tunesmith_server.domain.errors import NotFound
from tunesmith_server.domain.fine_tune import FineTune
from tunesmith_server.domain.model import Model
from tunesmith_server.domain.names import ModelName
from tunesmith_server.domain.naming import normalised
from tunesmith_server.domain.public_names import LegacyName, PublicName, model_id, short_id
from tunesmith_server.ports import Artefacts, Backend, Clock, TenantScope


class Publisher:
    """Makes models. Safe to repeat: the model's uid is the run's."""

    def __init__(self, artefacts: Artefacts, backend: Backend, clock: Clock) -> None:
        self._artefacts = artefacts
        self._backend = backend
        self._clock = clock

    async def keep(self, run: FineTune) -> Model:
        """Keep the artefact, and the model as it will be recorded but for its tenant's slug."""
        size = await self._artefacts.keep(
            run.uid, self._backend.model_folder(run), run.model_digest or ""
        )
        base, suffix = run.resolved.base_model, run.spec.suffix
        return Model(
            name=ModelName(run.name.tenant, model_id(base, suffix, run.uid)),
            uid=run.uid,
            base_model=base,
            public_name="",
            legacy_name="",
            fine_tune=run.name.id,
            digest=run.model_digest or "",
            size_bytes=size,
            create_time=self._clock.now(),
            suffix=suffix,
            parent_model=run.resolved.parent_model,
            training_digest=run.resolved.training.digest,
            validation_digest=run.resolved.validation.digest if run.resolved.validation else "",
            metrics={"training_loss": run.progress.train_loss} if run.progress.train_loss else {},
            labels=dict(run.labels),
            display_name=run.display_name,
        )

    def record(self, scope: TenantScope, model: Model, now: datetime) -> Model:
        """Record the model under the tenant's slug, in the transaction that ends its run."""
        tenant = scope.tenant()
        parts = (model.base_model, normalised(tenant.organization or tenant.id), model.suffix)
        named = replace(
            model,
            public_name=str(PublicName(*parts, short_id(model.uid))),
            legacy_name=_free(scope, LegacyName(*parts, now.replace(microsecond=0))),
        )
        scope.add_model(named)
        return named


def _free(scope: TenantScope, name: LegacyName) -> str:
    """The legacy name with the first second that no other model has: it must mean one model."""
    while True:
        try:
            scope.model_named(str(name))
        except NotFound:
            return str(name)
        name = replace(name, time=name.time + timedelta(seconds=1))
