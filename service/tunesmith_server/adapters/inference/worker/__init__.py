"""The engine's process: one base model, its adapters, and the batch that they share.

python -m tunesmith_server.adapters.inference.worker --base DIR --threads N
"""
