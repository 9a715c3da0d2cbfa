"""Measurements of a run to Weights & Biases, MLflow and TensorBoard, beside the training.

Each integration is a process of its own that reads `events.jsonl` and feeds a tracker. So nothing
of it can fail, stall or change a run: not a library that is missing, not a server that hangs.
"""
