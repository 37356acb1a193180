#!/usr/bin/env bash
# A real Slurm for the tests: one node of two CPUs on loopback, without root, systemd, cgroups or slurmdbd.
#
#   scripts/slurm.sh install            installs Debian's packages with apt-get if they are missing (needs root)
#   scripts/slurm.sh run COMMAND ...    starts a cluster, runs the command with SLURM_CONF set, stops the cluster
#
# Its daemons belong to the calling user and have their own munge key. They write only into one temporary folder.
set -euo pipefail

packages=(slurmctld slurmd slurm-client munge)
deadline=60 # seconds to wait for each event

fail() {
    echo "slurm.sh: $*" >&2
    exit 1
}

missing() { # prints the first missing program
    local program
    for program in slurmctld slurmd sbatch squeue scancel scontrol munged mungekey; do
        PATH=$PATH:/usr/sbin command -v "$program" >/dev/null || { echo "$program" && return; }
    done
}

install() {
    if [ -z "$(missing)" ]; then return; fi
    command -v apt-get >/dev/null || fail "no $(missing) and no apt-get here; install ${packages[*]}"
    [ "$(id -u)" = 0 ] || fail "no $(missing); install ${packages[*]} as root"
    echo "slurm.sh: installing ${packages[*]}"
    export DEBIAN_FRONTEND=noninteractive
    timeout 300 apt-get update -qq && timeout 300 apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null ||
        fail "apt-get cannot install ${packages[*]} (its reason is above)"
    [ -z "$(missing)" ] || fail "${packages[*]} are installed, but $(missing) is missing"
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

configure() {
    local user host
    user=$(id -un)
    host=$(hostname -s)
    mkdir -m 700 "$folder/munge" "$folder/state" "$folder/spool"
    mungekey --create --keyfile="$folder/munge/key"
    cat >"$folder/slurm.conf" <<CONF
ClusterName=bn-study-test
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$(free_port)
SlurmdPort=$(free_port)
SlurmUser=$user
SlurmdUser=$user
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket,cred_expire=1
CredType=cred/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,batch_sched_delay=1,bf_interval=1
SlurmctldParameters=preempt_send_user_signal
ReturnToService=2
KillWait=10
NodeName=$host NodeAddr=127.0.0.1 CPUs=2 RealMemory=$(($(getconf _PHYS_PAGES) * $(getconf PAGE_SIZE) / 1048576)) State=UNKNOWN
PartitionName=test Nodes=ALL Default=YES MaxTime=INFINITE OverTimeLimit=0 State=UP
CONF
}

start() {
    munged --key-file="$folder/munge/key" --socket="$folder/munge/socket" --pid-file="$folder/munge/pid" \
        --log-file="$folder/munge/log" --seed-file="$folder/munge/seed" --force 2>/dev/null ||
        fail "munged does not start: $(tail -n 1 "$folder/munge/log")"
    slurmctld -f "$SLURM_CONF"
    slurmd -f "$SLURM_CONF"
    local waited=0
    until [ "$(sinfo --noheader --format=%T 2>/dev/null)" = idle ]; do
        waited=$((waited + 1))
        [ "$waited" -lt $((deadline * 2)) ] || fail "no idle node after $deadline s: $(tail -n 3 "$folder"/slurm*.log)"
        sleep 0.5
    done
}

stop() {
    local pid file
    scancel --quiet --user="$(id -un)" 2>/dev/null || true
    for _ in $(seq "$deadline"); do # end jobs before the daemons that track their processes
        [ -n "$(squeue --noheader 2>/dev/null)" ] || break
        sleep 0.5
    done
    for file in "$folder"/slurmd.pid "$folder"/slurmctld.pid "$folder"/munge/pid; do
        pid=$(cat "$file" 2>/dev/null) || continue
        kill "$pid" 2>/dev/null || continue
        timeout 10 tail --pid="$pid" -f /dev/null || kill -9 "$pid" 2>/dev/null || true
    done
    rm -rf "$folder"
}

case "${1:-}" in
install) install ;;
run)
    shift
    [ -z "$(missing)" ] || fail "no $(missing) here; run scripts/slurm.sh install"
    export PATH=$PATH:/usr/sbin
    folder=$(mktemp -d)
    trap stop EXIT
    configure
    export SLURM_CONF=$folder/slurm.conf
    start
    "$@"
    ;;
*) fail "usage: scripts/slurm.sh install, or scripts/slurm.sh run COMMAND ..." ;;
esac
