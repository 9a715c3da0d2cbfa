"""`python -m tunesmith.dataset_rules.fixes`: see `job.main`."""

from tunesmith.dataset_rules.fixes.job import main

main()
