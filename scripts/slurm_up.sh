#!/bin/bash
# Starts Slurm with this machine as its only node, for trying `cluster: slurm`; needs root.
#
#   scripts/slurm_up.sh FOLDER && export SLURM_CONF=FOLDER/slurm.conf
#
# Everything it writes is in FOLDER; scripts/slurm_down.sh FOLDER ends it. Debian's slurm-wlm and
# munge are installed where they are missing. No systemd, no cgroups, no accounting.
set -euo pipefail

folder=$(mkdir -p "${1:?usage: slurm_up.sh FOLDER}" && cd "$1" && pwd)
if ! command -v slurmctld munged >/dev/null || ! command -v slurmd sbatch >/dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends slurm-wlm munge
fi

free_ports() { # that nobody listens on
    python3 -c "
import socket
sockets = [socket.create_server(('', 0)) for _ in range($1)]
print(*(s.getsockname()[1] for s in sockets))"
}
read -r controller_port node_port < <(free_ports 2)
memory=$(awk '/MemTotal/ {print int($2 / 1024 * 0.9)}' /proc/meminfo)
host=$(hostname -s)

mkdir -p "$folder"/{state,spool,munge}
chmod 0700 "$folder/munge"
dd if=/dev/urandom of="$folder/munge/key" bs=1024 count=1 status=none
chmod 0400 "$folder/munge/key"

cat >"$folder/slurm.conf" <<CONF
ClusterName=msml
SlurmctldHost=$host(127.0.0.1)
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
SlurmctldPort=$controller_port
SlurmdPort=$node_port
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket
CredType=cred/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
MpiDefault=none
ReturnToService=2
KillWait=30
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=$memory State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF

export SLURM_CONF="$folder/slurm.conf"
munged --force --socket="$folder/munge.socket" --key-file="$folder/munge/key" \
    --pid-file="$folder/munged.pid" --log-file="$folder/munged.log" --seed-file="$folder/munge/seed"
slurmctld
slurmd
for _ in $(seq 100); do
    if sinfo --noheader --format=%T 2>/dev/null | grep -q idle; then
        echo "export SLURM_CONF=$SLURM_CONF"
        exit 0
    fi
    sleep 0.2
done
tail -n 20 "$folder"/*.log >&2
echo "slurm_up.sh: the node does not become idle" >&2
exit 1
