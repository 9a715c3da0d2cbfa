"""What is known of whole datasets: asking for it, reading it, waiting for it."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from tunesmith.dataset_rules import Finding
from tunesmith.token_counts import TokenCount, decode_count, findings

from tunesmith_server.app.resolution import resolution
from tunesmith_server.app.scope import allowed, scope_of
from tunesmith_server.domain.access import Principal
from tunesmith_server.domain.analysis import (
    LEAKAGE,
    RULES,
    Analysis,
    AnalysisState,
    Content,
    leakage_subject,
)
from tunesmith_server.domain.dataset import Dataset, DatasetState
from tunesmith_server.domain.errors import NotFound
from tunesmith_server.domain.fine_tune import Resolved, Spec
from tunesmith_server.domain.model import BaseModel
from tunesmith_server.domain.names import DatasetName, owned
from tunesmith_server.ports import Analyser, Clock, Hints, Store, TenantScope, Transaction

_LOOK_EVERY = 0.1
_TRAINED = ("prompt_completion", "chat")
"""The shapes of which tokens are counted: those that are trained on."""


@dataclass(frozen=True)
class TokenStatistics:
    """The tokens of one version for one base."""

    base: BaseModel
    analysis: Analysis
    count: TokenCount | None
    """None until it is counted."""

    @property
    def findings(self) -> Sequence[Finding]:
        """What matters to this base alone."""
        return findings(self.count, self.base.context_length) if self.count else ()


class Statistics:
    """The use cases around whole datasets."""

    def __init__(
        self,
        store: Store,
        analyser: Analyser,
        hints: Hints,
        clock: Clock,
        *,
        plan_wait: float,
        validate_wait: float,
    ) -> None:
        self._store = store
        self._analyser = analyser
        self._hints = hints
        self._clock = clock
        self._plan_wait = plan_wait
        self._validate_wait = validate_wait

    async def of(
        self, principal: Principal, name: DatasetName, version: str, base_model: str
    ) -> list[TokenStatistics]:
        """For all listed bases that the tenant may use, or for the one of that id; NotFound.

        What was not counted yet is asked for; a base that is named is made ready for it.
        """
        tenant = owned(name.tenant, principal.tenant, str(name))

        def look(tx: Transaction) -> tuple[list[TokenStatistics], list[Analysis]]:
            scope = scope_of(tx, tenant, name)
            current = scope.dataset(name.id)
            dataset = scope.dataset_version(name.id, version) if version else current
            bases = (
                [allowed(scope, tx.system.base_model(base_model))]
                if base_model
                else listed(tx, scope)
            )
            content = content_of(dataset)
            if content is None or content.shape not in _TRAINED:
                return [], []
            known = _by_subject(scope, content)
            missing = {base.tokenizer_ref for base in bases} - known.keys()
            asked = [Analysis(content, ref) for ref in sorted(missing)]
            known |= {analysis.subject: analysis for analysis in asked}
            return [_statistics(base, known[base.tokenizer_ref]) for base in bases], asked

        found, missing = await self._store.read(look)
        if missing:
            await self._ask(tenant, missing)
        if base_model and found and found[0].analysis.state.is_open:
            self._analyser.make(found[0].base.tokenizer_ref)
        return found

    async def wait_for_plan(self, tenant: str, spec: Spec) -> None:
        """Return once what a plan of `spec` needs of its datasets is known, or after a while.

        That is the tokens of the training data, where this machine can count them: a plan does not
        wait for weights to be fetched. And how much of it is in the validation data.
        """

        def needed(tx: Transaction) -> list[Analysis]:
            scope = tx.of(tenant)
            resolved = resolution(tx, scope, spec).resolved
            training = content_of(scope.dataset(resolved.training.dataset)) if resolved else None
            if resolved is None or training is None:
                return []
            wanted = []
            if resolved.training.tokens is None and training.shape in _TRAINED:
                ref = tx.system.base_model(resolved.base_model).tokenizer_ref
                wanted.append(Analysis(training, ref))
            if resolved.validation:
                validation = content_of(scope.dataset(resolved.validation.dataset))
                if validation is not None:
                    wanted.append(Analysis(validation, leakage_subject(training)))
            found = [scope.analyses.one(each.content, each.subject) or each for each in wanted]
            return [each for each in found if each.state.is_open]

        async def known() -> bool:
            return not await self._store.read(needed)

        missing = await self._store.read(needed) if self._plan_wait else []
        can = await asyncio.to_thread(lambda: [each for each in missing if self._can(each)])
        if can:
            await self._ask(tenant, can)
            await _until(known, self._plan_wait)

    def _can(self, analysis: Analysis) -> bool:
        subject = analysis.subject
        return subject.startswith(LEAKAGE) or self._analyser.ready(subject)

    async def wait_for_report(self, principal: Principal, name: DatasetName) -> bool:
        """Whether the report of the current version is complete, after a while at most."""
        tenant = owned(name.tenant, principal.tenant, str(name))

        def is_complete(tx: Transaction) -> bool:
            scope = scope_of(tx, tenant, name)
            return not analysis_of(scope, scope.dataset(name.id)).state.is_open

        async def complete() -> bool:
            return await self._store.read(is_complete)

        return await _until(complete, self._validate_wait)

    async def _ask(self, tenant: str, analyses: Sequence[Analysis]) -> None:
        now = self._clock.now()
        await self._store.write(lambda tx: tx.of(tenant).analyses.add(analyses, now))
        self._hints.notify("analysis")


def begin(tx: Transaction, scope: TenantScope, dataset: Dataset) -> None:
    """Ask for everything that is to be known of a new version."""
    content = content_of(dataset)
    if content is None:
        return
    refs = {base.tokenizer_ref for base in listed(tx, scope)}
    subjects = sorted(refs) if dataset.shape in _TRAINED else []
    scope.analyses.add([Analysis(content, each) for each in subjects], dataset.version_time)
    if not dataset.report.get("analysed") or dataset.state is DatasetState.PROCESSING:
        # also where it was done for a version before: what comes of it is for this one, too
        scope.analyses.restart(Analysis(content, RULES), dataset.version_time)


def leakage_of(scope: TenantScope, resolved: Resolved) -> Sequence[Finding]:
    """What is known of validation data that a run would train on; nothing, where nothing is."""
    if resolved.validation is None:
        return ()
    training = content_of(scope.dataset(resolved.training.dataset))
    validation = content_of(scope.dataset(resolved.validation.dataset))
    if training is None or validation is None:
        return ()
    found = scope.analyses.one(validation, leakage_subject(training))
    return (found.findings or ()) if found else ()


def analysis_of(scope: TenantScope, dataset: Dataset) -> Analysis:
    """How far the look at a whole version is."""
    return analyses_of(scope, [dataset])[0]


def analyses_of(scope: TenantScope, datasets: Sequence[Dataset]) -> list[Analysis]:
    """As `analysis_of`, for many; a version that nobody will look at is complete as it is."""
    known = {
        (each.content.digest, each.content.reading): each
        for each in scope.analyses.of({dataset.digest for dataset in datasets})
        if each.subject == RULES
    }
    return [
        known.get((dataset.digest, _complete(dataset).content.reading)) or _complete(dataset)
        for dataset in datasets
    ]


def content_of(dataset: Dataset) -> Content | None:
    """What of a version is analysed; None if no row of it could be read at all."""
    return dataset.content if dataset.shape else None


def _complete(dataset: Dataset) -> Analysis:
    return Analysis(
        dataset.content,
        RULES,
        AnalysisState.COMPLETE,
        dataset.size_bytes,
        complete_time=dataset.version_time,
    )


def listed(tx: Transaction, scope: TenantScope) -> list[BaseModel]:
    """The bases that the tenant is shown."""
    found = []
    for base in tx.system.base_models():
        with contextlib.suppress(NotFound):
            if not base.hidden:
                found.append(allowed(scope, base))
    return found


def _by_subject(scope: TenantScope, content: Content) -> dict[str, Analysis]:
    return {
        each.subject: each
        for each in scope.analyses.of([content.digest])
        if each.content.reading == content.reading
    }


def _statistics(base: BaseModel, analysis: Analysis) -> TokenStatistics:
    count = decode_count(analysis.count) if analysis.count is not None else None
    return TokenStatistics(base, replace(analysis, count=None), count)


async def _until(holds: Callable[[], Awaitable[bool]], seconds: float) -> bool:
    """Look again and again, for so long at most; whether it holds."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while not await holds():
        if loop.time() >= end:
            return False
        await asyncio.sleep(min(_LOOK_EVERY, max(0.0, end - loop.time())))
    return True
