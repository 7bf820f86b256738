"""Make the shipped sample and its manifest, or the manifest alone where the sample is there.

    python scripts/make_sample.py

A changed sample stays in the history for ever: run this when the generator is right.
"""

import hashlib
import json
import subprocess
from pathlib import Path

from msml.data.events import describe

SAMPLE = Path("data/htautau_sample.h5")
COMMAND = ["msml", "generate", "recipes/events/htautau.yaml", "events=10000", f"output={SAMPLE}"]


def main() -> None:
    """Make the sample unless it is there, and write what it is beside it."""
    subprocess.run(COMMAND, check=True)
    made = describe(SAMPLE)
    manifest = {
        "file": SAMPLE.name,
        "sha256": hashlib.sha256(SAMPLE.read_bytes()).hexdigest(),
        "bytes": SAMPLE.stat().st_size,
        "events": made.events,
        "command": " ".join(COMMAND),
        "seed": made.provenance["settings"]["seed"],
        "versions": made.provenance["versions"],
    }
    SAMPLE.with_suffix(".json").write_text(json.dumps(manifest, indent=2) + "\n")


if __name__ == "__main__":
    main()
