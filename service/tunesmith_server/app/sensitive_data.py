"""What a tenant's policy makes of secrets and personal data in its datasets."""

import asyncio
from dataclasses import dataclass

from tunesmith.dataset_rules import Format, Inspector, Report, Shape
from tunesmith.dataset_rules.inspector import MAX_LINE_BYTES
from tunesmith.dataset_rules.sensitive import Policy, holds_sensitive, judged

from tunesmith_server.domain.dataset import Dataset, DatasetState
from tunesmith_server.domain.tenant import SensitiveDataPolicy, sensitive_data_policy
from tunesmith_server.ports import BlobRef, Blobs, TenantScope


@dataclass(frozen=True)
class Decision:
    """What becomes of a version."""

    report: Report
    """As it reads under the policy."""
    state: DatasetState
    redact: bool = False
    """Whether a version without what was found is to be made: see `redacted`."""


def policy_of(scope: TenantScope) -> SensitiveDataPolicy:
    """The policy in force for a tenant: its own, or that of the nearest tenant above with one."""
    return sensitive_data_policy(scope.chain())


def searched(policy: SensitiveDataPolicy) -> Policy:
    """The policy as the rules of datasets know it."""
    return Policy(policy.value)


def conclude(policy: SensitiveDataPolicy, report: Report) -> Decision:
    """What becomes of a version of which this is known.

    To be asked when it has come in, and again when it has been looked at as a whole. Until then it
    is PROCESSING where the policy must not let anybody train on it: later would be too late.
    """
    report = judged(report, searched(policy))
    if not report.valid:
        return Decision(report, DatasetState.INVALID)
    if policy.withholds and not report.sensitive_searched:
        return Decision(report, DatasetState.PROCESSING)
    redact = policy is SensitiveDataPolicy.REDACT and holds_sensitive(report)
    return Decision(report, DatasetState.READY, redact)


async def redacted(blobs: Blobs, dataset: Dataset) -> tuple[BlobRef, Report]:
    """The bytes of a version without what is recognised in them, kept, and the report on them.

    In JSON lines, whatever the version is in. The row in the database is the caller's to make, with
    the version as its parent. Memory stays constant.
    """
    # here, as it brings what takes a third of a second to import, and few tenants want it
    from tunesmith.dataset_rules.sensitive.rows import RowRedactor

    shape = Shape(dataset.shape) if dataset.shape else None
    redactor = RowRedactor(
        max_line_bytes=MAX_LINE_BYTES,
        format=Format(dataset.format) if dataset.format else None,
        file_name=dataset.file_name,
    )
    inspector = Inspector(shape=shape, format=Format.JSONL, analyse=True, sensitive=Policy.REDACT)
    async with blobs.writer() as writer:

        async def put(rows: bytes) -> None:
            if rows:
                await asyncio.gather(asyncio.to_thread(inspector.feed, rows), writer.write(rows))

        async for chunk in blobs.read(dataset.digest):
            await put(await asyncio.to_thread(redactor.feed, chunk))
        await put(await asyncio.to_thread(redactor.finish))
        report = await asyncio.to_thread(inspector.finish)
        return await writer.commit(), report
