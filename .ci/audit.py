"""Known vulnerabilities of the locked packages, by pip-audit: 0 none, 1 some, 2 it could not be found out.

    python .ci/audit.py requirements.lock [more.lock ...]

pip-audit alone ends with 0 when it could look up no package at all; here that counts as not found out.
"""

import json
import subprocess
import sys
from typing import Any


def report(done: "subprocess.CompletedProcess[str]") -> tuple[int, list[str]]:
    """The exit code and the lines that tell what pip-audit found."""
    try:
        packages: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1][:200]
        return 2, [f"the list of known vulnerabilities cannot be read; it needs a network ({said})"]
    bad = [
        f"{one['name']} {one['version']}: {found['id']}, mended in {', '.join(found['fix_versions']) or 'none'}"
        for one in packages
        for found in one.get("vulns", [])
    ]
    skipped = [one for one in packages if "skip_reason" in one]
    if bad:
        return 1, bad
    if skipped or not packages:
        why = skipped[0]["skip_reason"][:160] if skipped else "the lock names no package"
        count = f"{len(skipped)} of {len(packages)} packages"
        return 2, [f"{count} could not be looked up; it needs a network that reaches their index itself ({why})"]
    return 0, [f"{len(packages)} packages, no known vulnerability"]


def main() -> int:
    """Audit every lock, print what was found, return the worst exit code."""
    codes = [0]
    for lock in sys.argv[1:]:
        asked = ["--requirement", lock, "--require-hashes", "--disable-pip", "--format", "json"]
        command = [sys.executable, "-m", "pip_audit", *asked, "--progress-spinner", "off"]
        code, lines = report(subprocess.run(command, capture_output=True, text=True, check=False))
        print("\n".join(f"{lock}: {line}" for line in lines), file=sys.stderr if code else sys.stdout, flush=True)
        codes.append(code)
    return 1 if 1 in codes else max(codes)


if __name__ == "__main__":
    sys.exit(main())
