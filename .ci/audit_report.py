"""
Print what `pip-audit --format json` reported in the given file; exit with 1 when a package has a known vulnerability.

When the vulnerability data could not be downloaded, say so and exit with 0.
"""

import json
import sys
from pathlib import Path


def main(path: Path) -> int:
    """Print the report and return the exit code."""
    try:
        packages = json.loads(path.read_text(encoding="utf-8"))["dependencies"]
    except (ValueError, KeyError):
        packages = []
    audited = [package for package in packages if "vulns" in package]
    vulnerable = [
        f"{package['name']} {package['version']}: {vulnerability['id']}"
        for package in audited
        for vulnerability in package["vulns"]
    ]
    skipped = [
        f"not audited: {package['name']}: {package['skip_reason']}" for package in packages if "skip_reason" in package
    ]
    if audited:
        lines = [*skipped, *vulnerable, f"{len(audited)} packages audited, {len(vulnerable)} known vulnerabilities"]
    else:
        lines = ["not audited: the vulnerability data could not be downloaded"]
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return 1 if vulnerable else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
