"""Regenerate the protobuf stubs; --check fails if they are stale, --lint runs buf's rules.

The contract (proto/) carries validation rules; the published stubs do not, so that installing
the client never puts a global `buf` package, or a second copy of validate.proto, into somebody
else's process. Hence two products of one compilation:

* client/tunesmith/v1/*_pb2*.py: what clients import, rules stripped.
* service/tunesmith_server/edge/grpc/contract.binpb: the full contract, which the server validates
  requests against and `buf lint` and `buf breaking` read.
"""

import filecmp
import subprocess
import sys
import tempfile
from pathlib import Path

import google.api.client_pb2
import google.api.field_behavior_pb2
import google.api.resource_pb2
import grpc_tools
import protovalidate
from google.protobuf import descriptor_pb2, duration_pb2, field_mask_pb2, timestamp_pb2
from grpc_tools import protoc

ROOT = Path(__file__).parents[1]
SOURCES = sorted(
    str(path.relative_to(ROOT / "proto")) for path in (ROOT / "proto").rglob("*.proto")
)
IMAGE = "service/tunesmith_server/edge/grpc/contract.binpb"
BIN = Path(sys.executable).parent  # where pip put the generator's plug-in and buf


def _run(*arguments: str) -> None:
    if protoc.main(["protoc", *arguments, *SOURCES]) != 0:
        sys.exit(1)


def _rules() -> descriptor_pb2.FileDescriptorSet:
    """buf/validate/validate.proto and its imports, out of the installed protovalidate."""
    files = descriptor_pb2.FileDescriptorSet()
    for module in (descriptor_pb2, duration_pb2, field_mask_pb2, timestamp_pb2):
        module.DESCRIPTOR.CopyToProto(files.file.add())
    files.file.add().ParseFromString(protovalidate.ViolationPb.desc().file.proto.to_binary())
    return files


def _stripped(image: descriptor_pb2.FileDescriptorSet) -> descriptor_pb2.FileDescriptorSet:
    """Without buf.validate: its options are unknown fields here, google.api's are not."""
    public = descriptor_pb2.FileDescriptorSet()
    for file in image.file:
        if file.name.startswith("buf/"):
            continue
        kept = public.file.add()
        kept.CopyFrom(file)
        kept.DiscardUnknownFields()
        kept.dependency[:] = [name for name in file.dependency if not name.startswith("buf/")]
    return public


def generate(root: Path) -> None:
    """Write every generated file below `root`."""
    stubs, image_path = root / "client", root / IMAGE
    for directory in (stubs, image_path.parent):
        directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        rules, public = Path(scratch, "rules.binpb"), Path(scratch, "public.binpb")
        rules.write_bytes(_rules().SerializeToString())
        _run(
            f"--descriptor_set_in={rules}",
            f"-I{ROOT / 'proto'}",
            f"-I{Path(grpc_tools.__file__).parent / '_proto'}",
            f"-I{Path(google.api.client_pb2.__file__).parents[2]}",
            "--include_imports",
            "--include_source_info",
            f"--descriptor_set_out={image_path}",
        )
        image = descriptor_pb2.FileDescriptorSet.FromString(image_path.read_bytes())
        public.write_bytes(_stripped(image).SerializeToString())
        _run(
            f"--descriptor_set_in={public}",
            f"--python_out={stubs}",
            f"--pyi_out={stubs}",
            f"--grpc_python_out={stubs}",
            f"--plugin=protoc-gen-mypy_grpc={BIN / 'protoc-gen-mypy_grpc'}",
            f"--mypy_grpc_out=only_async,quiet:{stubs}",
        )


def stale() -> list[str]:
    """The generated files that differ from what the contract gives now."""
    with tempfile.TemporaryDirectory() as scratch:
        generate(Path(scratch))
        fresh = [path.relative_to(scratch) for path in Path(scratch).rglob("*") if path.is_file()]
        return [
            str(path)
            for path in sorted(fresh)
            if not (ROOT / path).exists()
            or not filecmp.cmp(ROOT / path, Path(scratch, path), False)
        ]


def lint() -> int:
    """Run buf's STANDARD and COMMENTS rules on the committed image; its exit code."""
    return subprocess.run(
        [BIN / "buf", "lint", ROOT / IMAGE, "--config", ROOT / "buf.yaml", "--path", "tunesmith/v1"]
    ).returncode


if __name__ == "__main__":
    if "--lint" in sys.argv:
        sys.exit(lint())
    if "--check" in sys.argv:
        if names := stale():
            sys.exit("stale, run scripts/protos.py: " + ", ".join(names))
    else:
        generate(ROOT)
