"""Generate src/flyte/wire/gen from proto/. With --check, say whether what is committed matches.

The generated modules import each other as `flyte.wire.gen.…`, so that the package `flyte` keeps its own name.
"""

from __future__ import annotations

import pathlib
import re
import sys
import tempfile

from grpc_tools import protoc

ROOT = pathlib.Path(__file__).parent.parent
PROTO = ROOT / "proto"
TARGET = ROOT / "src/flyte/wire/gen"


def generate(target: pathlib.Path) -> dict[str, str]:
    """The generated files, by their path below the target."""
    import grpc_tools

    sources = sorted(str(path.relative_to(PROTO)) for path in PROTO.rglob("*.proto"))
    include = str(pathlib.Path(grpc_tools.__file__).parent / "_proto")
    code = protoc.main(
        ["protoc", f"-I{PROTO}", f"-I{include}", f"--python_out={target}", f"--pyi_out={target}", *sources]
    )
    if code != 0:
        raise SystemExit(code)
    files = {}
    for path in sorted(target.rglob("*.py*")):
        text = re.sub(r"^from flyte\.backend", "from flyte.wire.gen.flyte.backend", path.read_text(), flags=re.M)
        # The check of the runtime's version refuses older and newer protobuf majors, which read this code well.
        text = re.sub(r"^from google.protobuf import runtime_version.*\n", "", text, flags=re.M)
        text = re.sub(r"^_runtime_version\.Validate.*?^\)\n", "", text, flags=re.M | re.S)
        files[str(path.relative_to(target))] = text
    for folder in {str(pathlib.Path(name).parent) for name in files} | {".", "flyte", "flyte/backend"}:
        files[str(pathlib.Path(folder) / "__init__.py")] = ""
    return files


def main() -> int:
    """Write the files, or compare them."""
    with tempfile.TemporaryDirectory() as scratch:
        files = generate(pathlib.Path(scratch))
    stale = [n for n, text in files.items() if not (TARGET / n).exists() or (TARGET / n).read_text() != text]
    committed = {str(path.relative_to(TARGET)) for path in TARGET.rglob("*.py*") if "__pycache__" not in path.parts}
    left_over = sorted(committed - files.keys())
    if "--check" in sys.argv:
        if stale or left_over:
            names = ", ".join([*sorted(stale), *left_over])
            print(f"Generated code is stale: {names}. Run `make proto`.", file=sys.stderr)
        return 1 if stale or left_over else 0
    for name in left_over:
        (TARGET / name).unlink()
    for name, text in files.items():
        path = TARGET / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
