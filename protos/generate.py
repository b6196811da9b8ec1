"""Makes the stubs in mailgate/api from the protos, or (--image FILE) the descriptor set that buf lints and compares.

Run it with the oldest grpcio-tools that pyproject.toml admits, which is the one in requirements.lock: generated stubs refuse, at import, a
grpcio or protobuf older than the tools that made them. `make protos` does.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import grpc_tools
from google.rpc import status_pb2
from grpc_tools import protoc

HERE = Path(__file__).parent
ROOT = HERE.parent


def includes() -> list[str]:
    """Where imports are found: ours, protobuf's own (in grpcio-tools), google/rpc (in googleapis-common-protos)."""
    return [
        f"-I{HERE}",
        f"-I{Path(grpc_tools.__file__).parent / '_proto'}",
        f"-I{Path(status_pb2.__file__).parents[2]}",
    ]


def sources() -> list[str]:
    """Every proto of ours, relative to this folder."""
    return sorted(str(path.relative_to(HERE)) for path in HERE.glob("mailgate/**/*.proto"))


def make_stubs(out: Path) -> None:
    """Write the stubs below `out`, with the `__init__.py` files that protoc leaves out."""
    out.mkdir(parents=True, exist_ok=True)
    run([f"--python_out={out}", f"--pyi_out={out}", f"--grpc_python_out={out}"])
    packages = {package for source in sources() for package in Path(source).parents} - {Path(), Path("mailgate")}
    for package in packages:
        (out / package / "__init__.py").write_text('"""Generated from protos/ by protos/generate.py."""\n')


def make_image(file: Path) -> None:
    """Write one descriptor set with comments and imports."""
    file.parent.mkdir(parents=True, exist_ok=True)
    run([f"--descriptor_set_out={file}", "--include_imports", "--include_source_info"])


def run(outputs: list[str]) -> None:
    """Call protoc; exits with its code where it fails."""
    if code := protoc.main(["protoc", *includes(), *outputs, *sources()]):
        sys.exit(code)


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT, help="below which folder the stubs go (default: the repository)")
    parser.add_argument("--image", type=Path, help="write a descriptor set here, and no stubs")
    args = parser.parse_args()
    if args.image:
        make_image(args.image)
    else:
        make_stubs(args.out)


if __name__ == "__main__":
    main()
