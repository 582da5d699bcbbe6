#!/usr/bin/env bash
# Run a tool under srun: what tools/slurm_train.sh and tools/slurm_test.sh share.
#
#   tools/slurm.sh PARTITION JOB_NAME TOOL ARGUMENTS…
set -euo pipefail
tools=$(dirname "${BASH_SOURCE[0]}")
python=$tools/../.venv/bin/python
[ -x "$python" ] || python=python
GPUS=${GPUS:-8}
GPUS_PER_NODE=${GPUS_PER_NODE:-$((GPUS < 8 ? GPUS : 8))}
# SRUN_ARGS is several words. A node's share of the tasks fills it before the next one is used.
# shellcheck disable=SC2086
exec srun --partition="$1" --job-name="$2" --gres="gpu:$GPUS_PER_NODE" --ntasks="$GPUS" \
    --ntasks-per-node="$GPUS_PER_NODE" --cpus-per-task="${CPUS_PER_TASK:-5}" \
    --kill-on-bad-exit=1 ${SRUN_ARGS:-} \
    "$python" -u "$tools/$3" "${@:4}" --launcher=slurm
