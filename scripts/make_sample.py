"""Make the shipped samples and their manifests, or a manifest alone where its sample is there.

    python scripts/make_sample.py

A changed sample stays in the history for ever: run this when the generator is right.
"""

import hashlib
import json
import subprocess
from pathlib import Path

from msml.data.events import describe

SAMPLES = {
    Path("data/htautau_sample.h5"): ["recipes/events/htautau.yaml", "events=10000"],
    Path("data/tau_id_sample.h5"): ["recipes/events/tau_id.yaml", "events=5000"],
}


def main() -> None:
    """Make each sample unless it is there, and write what it is beside it."""
    for sample, arguments in SAMPLES.items():
        command = ["msml", "generate", *arguments, f"output={sample}"]
        if not sample.exists():
            subprocess.run(command, check=True)
        made = describe(sample)
        manifest = {
            "file": sample.name,
            "sha256": hashlib.sha256(sample.read_bytes()).hexdigest(),
            "bytes": sample.stat().st_size,
            "events": made.events,
            "command": " ".join(command),
            "seed": made.provenance["settings"]["seed"],
            "versions": made.provenance["versions"],
        }
        sample.with_suffix(".json").write_text(json.dumps(manifest, indent=2) + "\n")


if __name__ == "__main__":
    main()
