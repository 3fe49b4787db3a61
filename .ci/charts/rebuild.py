"""Rebuild the script that draws the charts of reports, from the packages that package-lock.json pins by their hashes.

    python .ci/charts/rebuild.py            # writes charts.min.js, packages.json and LICENSES.txt of the package
    python .ci/charts/rebuild.py --check    # fails where what is in the repository differs

Needs node and npm. For newer versions change package.json, and run `npm install --omit-lockfile-registry-resolved
--package-lock-only` in this folder first.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
VENDORED = HERE.parents[1] / "ieco_opt" / "reports" / "page" / "vendored"
SCRIPT, PACKAGES, LICENSES = "charts.min.js", "packages.json", "LICENSES.txt"

BUILD = (
    *("esbuild", "entry.js", "--bundle", "--minify", "--format=iife", "--global-name=charts", "--target=es2020"),
    # Of the whole of Vega, Vega-Lite takes three helpers, which are those of vega-util.
    *("--alias:vega=vega-util", "--legal-comments=none", "--charset=ascii", f"--outfile={SCRIPT}"),
    "--metafile=meta.json",
)


def built(folder: Path) -> dict[str, bytes]:
    """Install what is pinned, and build; contents by the names of the files."""
    for name in ("package.json", "package-lock.json", "entry.js"):
        shutil.copy(HERE / name, folder)
    # Nothing but the listed packages runs: esbuild brings its program as a package of its own.
    run = {"cwd": folder, "check": True, "stdout": subprocess.DEVNULL}
    subprocess.run(("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"), **run)
    subprocess.run((f"node_modules/.bin/{BUILD[0]}", *BUILD[1:], "--log-level=error"), **run)
    script = (folder / SCRIPT).read_bytes()
    names = bundled(json.loads((folder / "meta.json").read_text("utf-8")))
    modules = folder / "node_modules"
    return {
        SCRIPT: script,
        PACKAGES: listed(modules, names, script),
        LICENSES: licences(modules, names),
    }


def bundled(meta: dict[str, dict[str, dict[str, dict[str, object]]]]) -> list[str]:
    """Names of the packages of which anything is in the script."""
    inputs = meta["outputs"][SCRIPT]["inputs"]
    found = {match[1] for file in inputs if (match := re.search(r"node_modules/((?:@[^/]+/)?[^/]+)/", file))}
    return sorted(found)


def listed(modules: Path, names: list[str], script: bytes) -> bytes:
    """Every package with its version and licence, and the hash of the script."""
    about = [json.loads((modules / name / "package.json").read_text("utf-8")) for name in names]
    packages = [{"name": each["name"], "version": each["version"], "licence": each["license"]} for each in about]
    values = {"script": SCRIPT, "sha256": hashlib.sha256(script).hexdigest(), "packages": packages}
    return f"{json.dumps(values, indent=2)}\n".encode()


def licences(modules: Path, names: list[str]) -> bytes:
    """The licence of every package in full; packages of which it is the same text stand together."""
    texts: dict[str, list[str]] = {}
    for name in names:
        file = next(each for each in sorted((modules / name).iterdir()) if each.name.upper().startswith("LICENSE"))
        text = "\n".join(line.rstrip() for line in file.read_text("utf-8").strip().splitlines())
        texts.setdefault(text, []).append(name)
    parts = [f"{', '.join(members)}\n\n{text}\n" for text, members in texts.items()]
    return ("\n" + "-" * 80 + "\n\n").join(parts).encode()


def main() -> int:
    """Write the files, or say which differ."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a file differs")
    check = parser.parse_args().check
    with tempfile.TemporaryDirectory() as folder:
        files = built(Path(folder))
    differing = [name for name, content in files.items() if (VENDORED / name).read_bytes() != content] if check else []
    for name, content in files.items():
        if not check:
            (VENDORED / name).write_bytes(content)
    print(f"differ: {', '.join(differing)}" if differing else f"{VENDORED}: {len(files[SCRIPT]):,} bytes of script")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
