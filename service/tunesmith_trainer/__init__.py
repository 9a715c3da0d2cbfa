"""The training process: `python -m tunesmith_trainer run.json`.

It speaks files and nothing else, so it is usable alone: it reads `run.json`, appends
`events.jsonl` and `results.csv`, writes `checkpoints/`, `model/` and, last, `outcome.json`. Its
exit code tells the class of failure. It imports nothing of the client or the server.
"""
