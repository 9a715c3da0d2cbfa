"""What the client alone costs: installs this package without extras in a fresh environment.

Prints the packages that come along, their size, and what an import takes; fails if anything of the
server, the trainer or the engine comes along or is loaded by an import of the client.
"""

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
# pydantic is not among them: typer brings it along; no import of the client loads it
HEAVY = [
    *("alembic", "obstore", "protovalidate", "psutil", "psycopg", "pydantic_settings"),
    *("sqlalchemy", "sqlmodel", "structlog", "uvloop"),
    *("peft", "numpy", "safetensors", "sklearn", "torch", "transformers"),
]
LOADED = "import sys; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
# of the processor, not of the clock: what else the machine does must not count
TIMED = "import time; began = time.process_time(); {}; print(time.process_time() - began)"
REPEATS = 7


def main() -> None:
    """Install, measure, print."""
    with tempfile.TemporaryDirectory(prefix="tunesmith-light-") as folder:
        print("Installing `pip install .` into a fresh environment ...", flush=True)
        venv.create(folder, with_pip=True)
        python = Path(folder) / "bin" / "python"
        pip = (python, "-m", "pip", "-q", "--disable-pip-version-check")
        before = size(Path(folder))
        call(*pip, "install", "-c", ROOT / "constraints.txt", ROOT)
        grown = size(Path(folder)) - before
        names = call(*pip, "freeze", "--exclude", "tunesmith").split("\n")
        packages = sorted(name.partition("==")[0] for name in names if "==" in name)
        print(f"{len(packages)} packages besides tunesmith, {grown / 1e6:.0f} MB")
        print("  " + ", ".join(packages))
        for statement in ("import tunesmith", "from tunesmith import Client"):
            print(f"{statement:<30} {milliseconds(python, statement):6.1f} ms of CPU")
            refuse(
                {"pydantic", *HEAVY} & set(call(python, "-c", f"{statement}; {LOADED}").split()),
                "loaded",
            )
        refuse(set(filter(lambda name: importable(python, name), HEAVY)), "installed")
        print("Nothing of the server, the trainer or the engine is installed or loaded.")


def call(*command: object) -> str:
    """What a command prints; in a folder where no source of ours can be imported by accident."""
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd="/", capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(words)}\n{done.stderr}")
    return done.stdout


def milliseconds(python: Path, statement: str) -> float:
    """How long a statement keeps a new process busy: the best of a few."""
    code = TIMED.format(statement)
    return min(float(call(python, "-I", "-c", code)) for _ in range(REPEATS)) * 1000


def importable(python: Path, name: str) -> bool:
    """Whether there is such a module."""
    code = f"import importlib.util as u; print(u.find_spec({name!r}) is not None)"
    return call(python, "-I", "-c", code).strip() == "True"


def refuse(found: set[str], what: str) -> None:
    """End with an error if anything was found."""
    if found:
        sys.exit(f"error: {', '.join(sorted(found))} must not be {what} with the client alone")


def size(folder: Path) -> int:
    """Bytes in a folder."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    main()
