"""Fixes: what would mend a dataset, as a plan, and the dataset mended.

The reborn `prepare_data` of the legacy API. Pure as the rules are: the same bytes and the same
choice of fixes give the same output on either side, whatever it runs on.

`rows` reads a piece of a file and mends what is one row's own affair; `survey` looks at all of
them, piece by piece, on several cores where that pays; `plan` decides which fixes the data needs
and with what parameters, each after the ones before it; `writing` applies them. `job` is all of it
as one value, for a process of its own.
"""

from tunesmith.dataset_rules.fixes.catalogue import FIXES, FixRule, Need
from tunesmith.dataset_rules.fixes.job import Job, Outcome, run, write
from tunesmith.dataset_rules.fixes.plan import Choice, Fix, Plan, Unfixable, propose
from tunesmith.dataset_rules.fixes.samples import Sample
from tunesmith.dataset_rules.fixes.summary import (
    Split,
    Summary,
    Task,
    dataset_id,
    next_command,
    summary,
    upload_command,
)
from tunesmith.dataset_rules.fixes.writing import CannotSplit, Prepared, apply, apply_split

__all__ = [
    "FIXES",
    "CannotSplit",
    "Choice",
    "Fix",
    "FixRule",
    "Job",
    "Need",
    "Outcome",
    "Plan",
    "Prepared",
    "Sample",
    "Split",
    "Summary",
    "Task",
    "Unfixable",
    "apply",
    "apply_split",
    "dataset_id",
    "next_command",
    "propose",
    "run",
    "summary",
    "upload_command",
    "write",
]
