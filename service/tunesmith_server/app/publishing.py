"""A finished run becomes a model: its artefact and checkpoints are kept, its names are made."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta

from tunesmith_server.app.admission import Admission
from tunesmith_server.domain.errors import NotFound
from tunesmith_server.domain.fine_tune import FineTune
from tunesmith_server.domain.model import KeptCheckpoint, Model
from tunesmith_server.domain.names import ID_PATTERN, ModelName
from tunesmith_server.domain.naming import normalised
from tunesmith_server.domain.public_names import (
    LegacyName,
    PublicName,
    model_id,
    parse_model_name,
    short_id,
)
from tunesmith_server.ports import Artefacts, Backend, Clock, TenantScope


class Publisher:
    """Makes models. Safe to repeat: the model's uid is the run's."""

    def __init__(
        self, artefacts: Artefacts, backend: Backend, admission: Admission, clock: Clock
    ) -> None:
        self._artefacts = artefacts
        self._backend = backend
        self._admission = admission
        self._clock = clock

    async def keep(self, run: FineTune) -> Model:
        """Keep the artefacts, and the model as it will be recorded but for its tenant's slug."""
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
            parent_checkpoint=run.resolved.parent_checkpoint,
            training_digest=run.resolved.training.digest,
            validation_digest=run.resolved.validation.digest if run.resolved.validation else "",
            metrics={"training_loss": run.progress.train_loss} if run.progress.train_loss else {},
            labels=dict(run.labels),
            display_name=run.display_name,
            checkpoints=tuple([each async for each in self._checkpoints(run)]),
        )

    async def _checkpoints(self, run: FineTune) -> AsyncIterator[KeptCheckpoint]:
        """The newest checkpoints, as many as the run keeps, each copied: the run's go with it."""
        trained = await self._backend.checkpoints(run)
        for each in trained[-run.spec.checkpoint_keep :]:
            kept = await self._artefacts.keep_checkpoint(run.uid, each.step, each.folder)
            if kept:
                yield KeptCheckpoint(each.step, each.attempt, kept.size, kept.digest)

    def record(self, scope: TenantScope, model: Model, now: datetime, base_name: str = "") -> Model:
        """Record the model under the tenant's slug, in the transaction that ends its run.

        Its public names begin with the base as the run named it: an alias stays what it is.
        """
        tenant = scope.tenant()
        base = _as_named(scope, model, base_name)
        parts = (base, normalised(tenant.organization or tenant.id), model.suffix)
        named = replace(
            model,
            public_name=str(PublicName(*parts, short_id(model.uid))),
            legacy_name=_free(scope, LegacyName(*parts, now.replace(microsecond=0))),
        )
        named = replace(named, checkpoints=self._admission.keep_with_model(scope, named, now))
        scope.add_model(named)
        return named

    async def tidy(self, kept: Model, recorded: Model) -> None:
        """Remove the checkpoints that were kept, and found no room in the tenant's quota."""
        for each in kept.checkpoints:
            if not recorded.has(each.step):
                await self._artefacts.delete_checkpoint(kept.uid, each.step)


def _as_named(scope: TenantScope, model: Model, name: str) -> str:
    """The base by the name that was used for it, also where a tuned model was gone on from."""
    if model.parent_model is not None:
        try:
            name = scope.model(model.parent_model).public_name
        except NotFound:  # deleted while the run went on
            return model.base_model
    parent = parse_model_name(name)
    name = parent.base if parent else name.removeprefix("baseModels/")
    return name if re.fullmatch(ID_PATTERN, name) else model.base_model


def _free(scope: TenantScope, name: LegacyName) -> str:
    """The legacy name with the first second that no other model has: it must mean one model."""
    while True:
        try:
            scope.model_named(str(name))
        except NotFound:
            return str(name)
        name = replace(name, time=name.time + timedelta(seconds=1))
