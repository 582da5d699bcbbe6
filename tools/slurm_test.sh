#!/usr/bin/env bash
# Evaluate a checkpoint under Slurm; the metrics are those of one process.
#
#   tools/slurm_test.sh PARTITION JOB_NAME CONFIG CHECKPOINT [options of tools/test.py]
#
# Variables as in tools/slurm_train.sh.
set -euo pipefail
if (($# < 4)); then
    echo "error: usage is tools/slurm_test.sh PARTITION JOB_NAME CONFIG CHECKPOINT [options of tools/test.py]" >&2
    exit 2
fi
exec bash "$(dirname "${BASH_SOURCE[0]}")/slurm.sh" "$1" "$2" test.py "${@:3}"
