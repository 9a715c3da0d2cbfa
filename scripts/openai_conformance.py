"""Runs OpenAI's clients against the service and writes what they found into the reference.

    python scripts/openai_conformance.py [arguments for pytest]

Writes docs/reference/openai.md if every test passes; a row whose test was skipped, since a client
could not be installed, is left out and named.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "client"), str(ROOT / "service")]

from tests.openai.conformance import Row, files, page  # noqa: E402

_COMPARES = "tests/openai/test_conformance.py::test_the_page_has_the_rows_that_the_tests_show"
"""Compares the page with the rows, and the page is being written."""
_PYTEST = (
    *(sys.executable, "-m", "pytest", "-q", "-p", "tests.openai.conformance"),
    *("--deselect", _COMPARES),
)


def main() -> int:
    """Run, and write the page; the exit code of pytest if something failed."""
    with tempfile.TemporaryDirectory() as folder:
        shown = Path(folder) / "rows.jsonl"
        ran = subprocess.run(
            [*_PYTEST, *map(str, files()), *sys.argv[1:]],
            cwd=ROOT,
            env={**os.environ, "OPENAI_CONFORMANCE": str(shown)},
        )
        if ran.returncode:
            print("Not everything passed: the page stays as it is.", file=sys.stderr)
            return ran.returncode
        rows = [Row(**json.loads(line)) for line in shown.read_text().splitlines()]
    target = ROOT / "docs" / "reference" / "openai.md"
    target.write_text(page(rows))
    print(f"{len(set(rows))} rows in {target.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
