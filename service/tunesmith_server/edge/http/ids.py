"""Ids of OpenAI's form for what is made through this surface.

A file is a dataset and a job is a fine-tune, under the same id: what was made over gRPC is seen
here under the id that it has there.
"""

import secrets
import string

from tunesmith_server.domain.fine_tune import FineTune

_ALPHABET = string.ascii_lowercase + string.digits
_RESULTS = "file-results-"


def new_id(kind: str, separator: str = "-") -> str:
    """An id such as `file-…`, `ft-…` or `upload_…`: 24 letters and digits at random."""
    return kind + separator + "".join(secrets.choice(_ALPHABET) for _ in range(24))


def results_id(run: FineTune) -> str:
    """The id of the file of a run's results."""
    return _RESULTS + run.name.id


def run_of_results(file_id: str) -> str | None:
    """The id of the run whose results a file id names; None if it names a dataset."""
    return file_id.removeprefix(_RESULTS) if file_id.startswith(_RESULTS) else None
