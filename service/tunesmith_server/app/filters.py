"""What each list can be filtered by, as its request in the contract says."""

from tunesmith_server.domain.dataset import DatasetState
from tunesmith_server.domain.filters import Choice, Fields, Labels, Moment, Text
from tunesmith_server.domain.quota import TENANT_DIMENSIONS
from tunesmith_server.domain.states import State

FINE_TUNES: Fields = {
    "state": Choice.of(State, "FINE_TUNE_STATE_"),
    "labels": Labels(),
    "create_time": Moment(),
}
DATASETS: Fields = {
    # the contract also has a state in which no dataset here ever is
    "state": Choice.of([*DatasetState], "DATASET_STATE_"),
    "labels": Labels(),
}
MODELS: Fields = {"base_model": Text("baseModels/"), "labels": Labels()}
TENANTS: Fields = {"state": Choice.of(["active", "suspended"], "TENANT_STATE_"), "labels": Labels()}
LEDGER: Fields = {"dimension": Choice.of(sorted(TENANT_DIMENSIONS)), "time": Moment()}
AUDIT_EVENTS: Fields = {"principal": Text(), "method": Text(), "result": Text(), "time": Moment()}
