"""Accuracy on heldout.jsonl: of a base model, or of a tuned model on it.

    python evaluate.py BASE_FOLDER [MODEL_FOLDER]

The answer is whichever of " positive" and " negative" has the more probable first token. It uses
transformers and peft alone, so it checks the trainer's figures with other code.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

os.environ.setdefault("GOMP_SPINCOUNT", "0")

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

LABELS = (" positive", " negative")


def main(base: str, adapter: str | None = None) -> None:
    """Print the share of right answers and their number."""
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    if adapter is not None:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, adapter)
    first = [tokenizer.encode(label, add_special_tokens=False)[0] for label in LABELS]
    rows = [json.loads(line) for line in Path(__file__).with_name("heldout.jsonl").open()]
    right = 0
    with torch.inference_mode():
        for row in rows:
            ids = tokenizer.encode(row["prompt"], add_special_tokens=False, return_tensors="pt")
            logits = model(input_ids=ids, logits_to_keep=1).logits[0, -1, first]
            right += LABELS[int(logits.argmax())] == row["completion"]
    print(f"{right / len(rows):.1%} right ({right} of {len(rows)})")


if __name__ == "__main__":
    main(*sys.argv[1:])
