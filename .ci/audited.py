"""
Tells what `pip-audit --format json` found, in the file that is named; 1 when a package has a known weakness.

Where its data cannot be reached it knows nothing of any package: that is told, and no failure.
"""

import json
import sys
from pathlib import Path


def main(path: Path) -> int:
    """Tell it, and return the exit code."""
    try:
        packages = json.loads(path.read_text(encoding="utf-8"))["dependencies"]
    except (ValueError, KeyError):
        packages = []
    known = [each for each in packages if "vulns" in each]
    weak = [f"{each['name']} {each['version']}: {found['id']}" for each in known for found in each["vulns"]]
    left = [f"SKIPPED: {each['name']}: {each['skip_reason']}" for each in packages if "skip_reason" in each]
    if known:
        lines = [*left, *weak, f"{len(known)} packages examined, {len(weak)} known weaknesses"]
    else:
        lines = ["SKIPPED: the data on known weaknesses cannot be reached; no package was examined"]
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return 1 if weak else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
