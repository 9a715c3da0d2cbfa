"""Build train.jsonl, validation.jsonl and heldout.jsonl from the human-rated tweets of VADER.

    python build.py [SDIST] [--into FOLDER]

SDIST is vaderSentiment-3.3.2.tar.gz (or a folder with it); without it pip downloads it. The same
files come out every time; `--check` only compares them with those that are here.
"""

from __future__ import annotations

import argparse
import hashlib
import html
import io
import json
import random
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

PACKAGE, VERSION = "vaderSentiment", "3.3.2"
SDIST = f"{PACKAGE}-{VERSION}.tar.gz"
SDIST_SHA256 = "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9"
MEMBERS = (
    f"{PACKAGE}-{VERSION}/additional_resources/hutto_ICWSM_2014.tar.gz",
    "hutto_ICWSM_2014/tweets_GroundTruth.txt",
)
SIZES = {"heldout": 600, "train": 400, "validation": 100}
START, END = "Tweet: ", " ->"  # README.md says what the start is for
CLEAR = 0.5  # mean ratings (-4 to 4) closer to zero are neither positive nor negative


def main() -> int:
    """Build the files, or compare them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("sdist", nargs="?", type=Path, help=f"{SDIST}, or a folder with it")
    parser.add_argument("--into", type=Path, default=Path(__file__).parent)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 on a difference"
    )
    wanted = parser.parse_args()
    files = build(read_sdist(wanted.sdist))
    for name, content in files.items():
        path = wanted.into / f"{name}.jsonl"
        if wanted.check and path.read_bytes() != content:
            sys.exit(f"{path} differs from what its source gives")
        if not wanted.check:
            path.write_bytes(content)
        print(f"{path}: {SIZES[name]} examples, sha256 {hashlib.sha256(content).hexdigest()}")
    return 0


def read_sdist(given: Path | None) -> bytes:
    """The content of the source distribution, its SHA-256 checked."""
    if given is not None:
        content = (given / SDIST if given.is_dir() else given).read_bytes()
    else:
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
            command += ["--no-binary", ":all:", "--dest", folder, f"{PACKAGE}=={VERSION}"]
            if subprocess.run(command, check=False).returncode:
                sys.exit(f"pip could not download {PACKAGE}=={VERSION}; give the file as argument")
            content = (Path(folder) / SDIST).read_bytes()
    if hashlib.sha256(content).hexdigest() != SDIST_SHA256:
        sys.exit(f"{SDIST} is not the file that is expected (sha256 {SDIST_SHA256})")
    return content


def build(sdist: bytes) -> dict[str, bytes]:
    """The three files by name: disjoint, and each with as many positive as negative examples."""
    content = sdist
    for member in MEMBERS:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
            file = archive.extractfile(member)
            assert file is not None  # the digest of the whole was checked
            content = file.read()
    tweets = rated_tweets(content.decode())
    draw = random.Random("tunesmith sentiment")
    pools = {}
    for label in (" positive", " negative"):
        pools[label] = sorted(text for text, rating in tweets.items() if _label(rating) == label)
        draw.shuffle(pools[label])
    files = {}
    for name, size in SIZES.items():
        rows = [(pools[label].pop(), label) for label in pools for _ in range(size // 2)]
        draw.shuffle(rows)
        files[name] = "".join(
            json.dumps({"prompt": f"{START}{text}{END}", "completion": label}) + "\n"
            for text, label in rows
        ).encode()
    return files


def rated_tweets(table: str) -> dict[str, float]:
    """Every different tweet whose rating is clear, with its mean rating."""
    tweets: dict[str, float] = {}
    seen = set()
    for line in table.strip().split("\n"):
        _number, rating, text = line.split("\t", 2)
        # Handles name people, who have nothing to do with this.
        text = re.sub(r"@\w+", "@user", " ".join(html.unescape(text).split()))
        # Twice the same tweet, one in train and one in heldout, would be a leak.
        key = re.sub(r"\W+", "", text.casefold()) or text
        if abs(float(rating)) >= CLEAR and key not in seen:
            seen.add(key)
            tweets[text] = float(rating)
    return tweets


def _label(rating: float) -> str:
    return " positive" if rating > 0 else " negative"


if __name__ == "__main__":
    sys.exit(main())
