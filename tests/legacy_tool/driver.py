"""Runs OpenAI's old prepare tool on many files in one process of its own environment.

Takes a folder and names of files in it, one a line, on stdin. For each it does what
`openai tools fine_tunes.prepare_data -f FILE -q` does, and writes one line of JSON: what the tool
printed, whether it gave up, and the files that it wrote, which are removed again.
"""

import contextlib
import io
import json
import os
import sys
import traceback

from openai import validators


def main() -> None:
    """Prepare one file after the other."""
    answers = sys.stdout
    for line in sys.stdin:
        print(json.dumps(prepared(line.rstrip("\n"))), file=answers, flush=True)


def prepared(path: str) -> dict[str, object]:
    """What the old tool makes of a file."""
    folder = os.path.dirname(path)
    before = set(os.listdir(folder))
    said, gave_up, crashed = io.StringIO(), False, ""
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            frame, remediation = validators.read_any_format(path)
            validators.apply_necessary_remediation(None, remediation)
            validators.apply_validators(
                frame,
                path,
                remediation,
                validators.get_validators(),
                True,
                write_out_file_func=validators.write_out_file,
            )
        except SystemExit:
            gave_up = True
        except Exception:
            crashed = traceback.format_exc(limit=-1)
    files = {}
    for name in sorted(set(os.listdir(folder)) - before):
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            files[name] = file.read()
        os.unlink(os.path.join(folder, name))
    return {"said": said.getvalue(), "gave_up": gave_up, "crashed": crashed, "files": files}


if __name__ == "__main__":
    main()
