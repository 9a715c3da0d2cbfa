"""Making base models available: folders in the Hugging Face layout, digest known, made once.

`python -m tunesmith_trainer.bases materialise SOURCE --into DIR`
"""
