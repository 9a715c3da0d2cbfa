"""What the use cases need from the world, as seen from the use cases.

`tenant_scope`, `system_scope` and `store` keep what is known; `engines` train and answer;
`artefacts` hold bytes, `sources` bring them, `analyses` look at them; `world` is the rest.
"""

from tunesmith_server.ports.analyses import (
    Analyser,
    AnalysisBroken,
    AnalysisClaim,
    SystemAnalyses,
    TenantAnalyses,
)
from tunesmith_server.ports.artefacts import (
    Artefacts,
    BlobRef,
    Blobs,
    BlobWriter,
    Keep,
    PartWriter,
    TrainingFiles,
)
from tunesmith_server.ports.engines import Backend, Inference, TrainedCheckpoint
from tunesmith_server.ports.preparation import Preparation, Scratch
from tunesmith_server.ports.rows import Claim, PageOf, Remembered, Usage
from tunesmith_server.ports.shares import TenantShares
from tunesmith_server.ports.sources import Source, Sources
from tunesmith_server.ports.store import Store, Transaction
from tunesmith_server.ports.system_scope import SystemScope
from tunesmith_server.ports.tenant_scope import TenantScope
from tunesmith_server.ports.world import Clock, Hints, Identities

__all__ = [
    "Analyser",
    "AnalysisBroken",
    "AnalysisClaim",
    "Artefacts",
    "Backend",
    "BlobRef",
    "BlobWriter",
    "Blobs",
    "Claim",
    "Clock",
    "Hints",
    "Identities",
    "Inference",
    "Keep",
    "PageOf",
    "PartWriter",
    "Preparation",
    "Remembered",
    "Scratch",
    "Source",
    "Sources",
    "Store",
    "SystemAnalyses",
    "SystemScope",
    "TenantAnalyses",
    "TenantScope",
    "TenantShares",
    "TrainedCheckpoint",
    "TrainingFiles",
    "Transaction",
    "Usage",
]
