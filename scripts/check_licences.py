"""Fail when a Rust dependency has a licence that is not on the list of `deny.toml`.

cargo-deny does the same and more, but compiles for minutes; this reads `cargo metadata`.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def accepted(expression: str, allowed: set[str]) -> bool:
    """Whether the licences of an SPDX expression leave a choice that is allowed."""
    # The old form "MIT/Apache-2.0" means OR.
    expression = expression.replace("/", " OR ").replace(" WITH ", "_WITH_")
    words = re.findall(r"[()]|[^\s()]+", expression)
    python = {"OR": "or", "AND": "and", "(": "(", ")": ")"}
    terms = [python.get(x) or str(x.replace("_WITH_", " WITH ") in allowed) for x in words]
    return bool(eval(" ".join(terms), {"__builtins__": {}}))


def main() -> int:
    """Check every package that the lock file names."""
    allowed = set(tomllib.loads((ROOT / "deny.toml").read_text())["licenses"]["allow"])
    command = ["cargo", "metadata", "--locked", "--format-version=1", "--all-features"]
    output = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout
    packages = [x for x in json.loads(output)["packages"] if x["source"] is not None]
    bad = [x for x in packages if not accepted(x["license"] or "none", allowed)]
    for package in bad:
        print(f"{package['name']} {package['version']}: {package['license']}", file=sys.stderr)
    print(f"licences: {len(packages)} packages, {len(bad)} not accepted")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
