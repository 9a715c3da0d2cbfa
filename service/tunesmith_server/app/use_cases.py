"""Everything that a caller can do: what the edges are made over."""

from dataclasses import dataclass

from tunesmith_server.app.accounts import Accounts
from tunesmith_server.app.api_keys import ApiKeys
from tunesmith_server.app.assembled_uploads import AssembledUploads
from tunesmith_server.app.catalogue import Catalogue
from tunesmith_server.app.commands import Commands
from tunesmith_server.app.datasets import Datasets
from tunesmith_server.app.explaining import Explaining
from tunesmith_server.app.fine_tunes import FineTunes
from tunesmith_server.app.imports import Imports
from tunesmith_server.app.models import Models
from tunesmith_server.app.preparing import Preparing
from tunesmith_server.app.rates import Rates
from tunesmith_server.app.sharing import Sharing
from tunesmith_server.app.statistics import Statistics
from tunesmith_server.app.steering import Steering
from tunesmith_server.app.submission import Submission
from tunesmith_server.app.tenants import Tenants
from tunesmith_server.app.uploads import Uploads
from tunesmith_server.app.watch import Watches


@dataclass(frozen=True)
class UseCases:
    """What an edge calls."""

    fine_tunes: FineTunes
    submission: Submission
    steering: Steering
    explaining: Explaining
    watches: Watches
    datasets: Datasets
    uploads: Uploads
    assembled_uploads: AssembledUploads
    imports: Imports
    statistics: Statistics
    preparing: Preparing
    models: Models
    sharing: Sharing
    tenants: Tenants
    api_keys: ApiKeys
    accounts: Accounts
    catalogue: Catalogue
    commands: Commands
    rates: Rates
