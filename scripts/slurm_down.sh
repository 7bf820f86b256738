#!/bin/bash
# Ends the Slurm that scripts/slurm_up.sh has started in FOLDER, and its jobs.
#
#   scripts/slurm_down.sh FOLDER
set -euo pipefail

folder=$(cd "${1:?usage: slurm_down.sh FOLDER}" && pwd)
export SLURM_CONF="$folder/slurm.conf"
scancel --user="$(id -un)" 2>/dev/null || true
for name in slurmd slurmctld munged; do
    if [ -e "$folder/$name.pid" ]; then
        pid=$(cat "$folder/$name.pid")
        kill "$pid" 2>/dev/null || true
        for _ in $(seq 100); do
            kill -0 "$pid" 2>/dev/null || break
            sleep 0.1
        done
    fi
done
