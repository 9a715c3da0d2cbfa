"""The composition root: the only place that knows every layer."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog
import uuid_utils

from tunesmith_server.adapters.analysis.process import ProcessAnalyser
from tunesmith_server.adapters.blobs import Blobs
from tunesmith_server.adapters.identity import Jwks, SigningKeys, TokenIdentities, TrustedIssuer
from tunesmith_server.adapters.inference.embedded import EmbeddedInference
from tunesmith_server.adapters.inference.engine import EmbeddedEngine
from tunesmith_server.adapters.local.artefacts import LocalArtefacts
from tunesmith_server.adapters.local.backend import LocalBackend
from tunesmith_server.adapters.local.bases import BaseLibrary
from tunesmith_server.adapters.local.integrations import TrainerIntegrations
from tunesmith_server.adapters.owners import may_live, this_process
from tunesmith_server.adapters.preparation import ProcessPreparation
from tunesmith_server.adapters.scratch import ScratchFolders
from tunesmith_server.adapters.sources import UriSources
from tunesmith_server.adapters.sql.engine import libpq_conninfo
from tunesmith_server.adapters.sql.store import SqlStore
from tunesmith_server.adapters.training_data import TrainingData
from tunesmith_server.adapters.wakeups import LocalHints, PostgresHints
from tunesmith_server.app.accounts import Accounts
from tunesmith_server.app.admission import Admission
from tunesmith_server.app.analysing import Analysing
from tunesmith_server.app.api_keys import ApiKeys
from tunesmith_server.app.assembled_uploads import AssembledUploads
from tunesmith_server.app.auth import Keys, NewKey
from tunesmith_server.app.authentication import Authenticator
from tunesmith_server.app.catalogue import Catalogue
from tunesmith_server.app.commands import Commands
from tunesmith_server.app.datasets import Datasets
from tunesmith_server.app.dispatcher import Dispatcher
from tunesmith_server.app.driver import Driver
from tunesmith_server.app.explaining import Explaining
from tunesmith_server.app.fine_tunes import FineTunes
from tunesmith_server.app.imports import Imports
from tunesmith_server.app.models import Models
from tunesmith_server.app.pages import Pager
from tunesmith_server.app.preparing import Preparing
from tunesmith_server.app.presence import Presence
from tunesmith_server.app.publishing import Publisher
from tunesmith_server.app.rates import Rates
from tunesmith_server.app.scheduler import Scheduler
from tunesmith_server.app.sharing import Sharing
from tunesmith_server.app.statistics import Statistics
from tunesmith_server.app.steering import Steering
from tunesmith_server.app.submission import Submission
from tunesmith_server.app.sweeping import Sweeper
from tunesmith_server.app.tenants import Tenants
from tunesmith_server.app.uploads import Uploads
from tunesmith_server.app.use_cases import UseCases
from tunesmith_server.app.versions import Versions
from tunesmith_server.app.watch import Watches
from tunesmith_server.app.way_in import Means
from tunesmith_server.domain.model import BaseModel
from tunesmith_server.domain.tokens import Sealer
from tunesmith_server.edge.grpc.server import GrpcEdge
from tunesmith_server.edge.http.server import openai_edge
from tunesmith_server.settings import Imports as ImportSettings
from tunesmith_server.settings import Issuer, Settings

log = structlog.get_logger(__name__)


class UtcClock:
    """The system's clock."""

    def now(self) -> datetime:
        """The time, in UTC."""
        return datetime.now(UTC)


def new_uid() -> str:
    """A UUIDv7: unique, and in the order of making."""
    return str(uuid_utils.uuid7())


@dataclass(frozen=True)
class Running:
    """A service that takes calls."""

    address: str
    """Of the gRPC port, with the port that was really taken."""
    http_address: str
    """Of the OpenAI-compatible port; empty if there is none."""
    admin_key: NewKey | None
    """The platform-admin key, if one was made just now."""


@contextlib.asynccontextmanager
async def serve(settings: Settings) -> AsyncIterator[Running]:
    """Serve until the block ends, then drain: watchers are told, calls end, training goes on."""
    clock = UtcClock()
    data = settings.data_dir.absolute()
    async with contextlib.AsyncExitStack() as stack:
        store = SqlStore(settings.database)
        stack.push_async_callback(store.close)
        secret = await store.write(lambda tx: tx.system.secret(lambda: secrets.token_bytes(32)))
        keys = Keys(store, clock, secret, new_uid)
        given = settings.bootstrap_admin_key
        identities = TokenIdentities([_trusted(issuer) for issuer in settings.issuers])
        admin_key = await keys.ensure_admin(given.get_secret_value() if given else None)

        is_postgres = not settings.database.startswith("sqlite")
        hints = PostgresHints(libpq_conninfo(settings.database)) if is_postgres else LocalHints()
        sealer = Sealer(secret)
        pager = Pager(sealer)
        limits = settings.default_limits.model_dump()
        admission = Admission({name: limit for name, limit in limits.items() if limit is not None})
        commands = Commands(store, clock)
        versions = Versions(
            admission, hints, new_uid, analysed_at_once=settings.analysis.processes == 0
        )
        rates = Rates(store, admission, clock)
        owner = this_process(settings.local.node, new_uid()[-8:])
        presence = Presence(store, admission, clock, owner)
        blobs = Blobs.open(settings.blobs_url or str(data / "blobs"))
        artefacts = LocalArtefacts(data / "models")
        training_data = TrainingData(blobs, data / "training-data")
        scratch = ScratchFolders(data / "preparing")
        await scratch.sweep()
        bases = BaseLibrary(folder=settings.bases_dir or data / "bases")

        analyser = ProcessAnalyser(
            blobs,
            bases,
            processes=settings.analysis.processes,
            niceness=settings.analysis.niceness,
            stall_seconds=settings.analysis.stall_seconds,
        )
        stack.push_async_callback(analyser.close)
        statistics = Statistics(
            store,
            analyser,
            hints,
            clock,
            plan_wait=settings.analysis.plan_wait_seconds,
            validate_wait=settings.analysis.validate_wait_seconds,
        )
        analysing = Analysing(
            store,
            analyser,
            hints,
            clock,
            new_uid,
            commands,
            versions,
            blobs,
            owner=owner,
            is_alive=lambda owner: may_live(owner, settings.local.node),
            attempts=settings.analysis.attempts,
        )

        catalogue = Catalogue(store, commands, pager)
        await catalogue.install()

        async def base_folder(source: str) -> Path:
            return await bases.ensure(BaseModel(id=source, source=source))

        inference = EmbeddedInference(
            EmbeddedEngine(
                base_path=base_folder,
                threads=settings.inference.threads,
                idle_timeout=settings.inference.idle_seconds,
            )
        )
        stack.push_async_callback(inference.close)

        async def parent_adapter(tenant: str, model: str, checkpoint: int | None) -> Path:
            uid = await store.read(lambda tx: tx.of(tenant).model(model).uid)
            return artefacts.path(uid, checkpoint)

        policy = settings.integrations.policy
        backend = LocalBackend(
            runs_dir=data / "runs",
            node=settings.local.node,
            bases=bases,
            datasets=training_data.file,
            parent_adapter=parent_adapter,
            catalogue=catalogue.entry,
            integrations=TrainerIntegrations(
                policy,
                wandb_url=settings.integrations.wandb_url,
                tensorboard=settings.integrations.tensorboard_dir,
            ),
            threads=settings.local.threads,
        )
        watches = Watches(
            store,
            hints,
            sealer,
            presence=presence,
            bookmark_every=settings.watch.bookmark_seconds,
            max_age=settings.watch.max_age_seconds,
        )
        node, slots = settings.local.node, settings.local.slots
        dispatcher = Dispatcher(
            store,
            backend,
            Driver(
                store,
                backend,
                admission,
                Publisher(artefacts, backend, admission, clock),
                hints,
                clock,
            ),
            hints,
            clock,
            owner=owner,
            is_alive=lambda owner: may_live(owner, node),
        )
        scheduler = Scheduler(store, admission, hints, clock, node=node, slots=slots)
        datasets = Datasets(store, commands, admission, blobs, pager, clock)
        means = Means(store, commands, admission, blobs, versions, clock)
        assembled = AssembledUploads(means, new_uid, largest=int(settings.http.max_file_bytes))
        sweeper = Sweeper(
            store,
            blobs,
            training_data,
            admission,
            assembled,
            datasets,
            clock,
            interval=settings.sweeper.interval_seconds,
            age=timedelta(seconds=settings.sweeper.age_seconds),
        )
        authenticator = Authenticator(keys, identities, store)
        use_cases = UseCases(
            fine_tunes=FineTunes(store, pager),
            submission=Submission(
                store,
                commands,
                admission,
                sealer,
                hints,
                clock,
                new_uid,
                statistics,
                node=node,
                slots=slots,
                integrations=policy,
            ),
            steering=Steering(commands, admission, hints, clock),
            explaining=Explaining(store, admission, clock, node=node, slots=slots),
            watches=watches,
            datasets=datasets,
            assembled_uploads=assembled,
            uploads=Uploads(means, new_uid, patience=settings.uploads.chunk_seconds),
            imports=Imports(means, _sources(settings.imports)),
            statistics=statistics,
            preparing=Preparing(
                store,
                commands,
                blobs,
                versions,
                ProcessPreparation(),
                scratch,
                clock,
            ),
            models=Models(store, commands, admission, artefacts, inference, pager, rates, clock),
            sharing=Sharing(store, commands, pager, clock, new_uid),
            tenants=Tenants(store, commands, admission, artefacts, pager, hints, clock, new_uid),
            api_keys=ApiKeys(store, commands, keys, pager, clock),
            accounts=Accounts(store, admission, pager, clock),
            catalogue=catalogue,
            commands=commands,
            rates=rates,
        )
        edge = GrpcEdge(settings.grpc, authenticator, use_cases)
        http = openai_edge(settings.http, authenticator, use_cases)
        address = await edge.start()
        stack.push_async_callback(edge.stop, settings.drain_seconds)
        http_address = await http.start() if http else ""
        background = [
            asyncio.create_task(hints.run(), name="hints"),
            asyncio.create_task(identities.run(), name="identities"),
            asyncio.create_task(watches.run(), name="tailer"),
            asyncio.create_task(dispatcher.run(), name="dispatcher"),
            asyncio.create_task(scheduler.run(), name="scheduler"),
            asyncio.create_task(commands.write_refused(), name="audit"),
            asyncio.create_task(presence.run(), name="presence"),
            asyncio.create_task(sweeper.run(), name="sweeper"),
        ]
        if settings.analysis.processes != 0:
            background.append(asyncio.create_task(analysing.run(), name="analysing"))
        for task in background:
            task.add_done_callback(_report_death)
        kind = settings.database.split(":")[0]
        log.info("serving", grpc=address, http=http_address, database=kind)
        try:
            yield Running(address, http_address, admin_key)
        finally:
            log.info("draining", seconds=settings.drain_seconds)
            watches.drain()
            ends = [edge.stop(settings.drain_seconds)]
            if http:
                ends.append(http.stop(settings.drain_seconds))
            await asyncio.gather(*ends)
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
            log.info("stopped")


def _sources(settings: ImportSettings) -> UriSources:
    return UriSources(
        folders=settings.folders,
        hosts=settings.hosts,
        buckets=settings.buckets,
        most_bytes=int(settings.max_bytes),
        seconds=settings.seconds,
    )


def _trusted(settings: Issuer) -> TrustedIssuer:
    jwks = Jwks(
        settings.issuer,
        settings.jwks_url,
        ca_file=settings.ca_file,
        token_file=settings.token_file,
    )
    return TrustedIssuer(
        settings.issuer,
        settings.audience,
        settings.algorithms,
        settings.leeway_seconds,
        [rule.claim_rule() for rule in settings.rules],
        SigningKeys(
            settings.issuer,
            jwks,
            settings.algorithms,
            refresh_seconds=settings.refresh_seconds,
            cool_down_seconds=settings.cool_down_seconds,
            keep_seconds=settings.keep_seconds,
        ),
    )


def _report_death(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (error := task.exception()):
        log.critical("background_task_died", task=task.get_name(), exc_info=error)
