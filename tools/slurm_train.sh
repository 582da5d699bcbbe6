#!/usr/bin/env bash
# Train under Slurm with one process per GPU, on as many nodes as they need.
#
#   tools/slurm_train.sh PARTITION JOB_NAME CONFIG WORK_DIR [options of tools/train.py]
#
# GPUS (default 8), GPUS_PER_NODE (8, or GPUS where these are fewer), CPUS_PER_TASK (5); SRUN_ARGS
# has further options of srun, such as --time=24:00:00.
set -euo pipefail
if (($# < 4)); then
    echo "error: usage is tools/slurm_train.sh PARTITION JOB_NAME CONFIG WORK_DIR [options of tools/train.py]" >&2
    exit 2
fi
exec bash "$(dirname "${BASH_SOURCE[0]}")/slurm.sh" "$1" "$2" train.py "$3" --work-dir "$4" "${@:5}"
