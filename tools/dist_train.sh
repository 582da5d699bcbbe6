#!/usr/bin/env bash
# Train with N processes: one per GPU (NCCL), or without GPUs on the CPU (gloo).
#
#   tools/dist_train.sh CONFIG N [options of tools/train.py]
#
# Several machines: the same on each with NNODES, NODE_RANK (0, 1, …), MASTER_ADDR and PORT
# (default 29500) set; they wait for each other for WAIT seconds (default 600). On one machine a
# free port is found unless PORT is set.
set -euo pipefail
if (($# < 2)); then
    echo "error: usage is tools/dist_train.sh CONFIG N [options of tools/train.py]" >&2
    exit 2
fi
tools=$(dirname "${BASH_SOURCE[0]}")
python=$tools/../.venv/bin/python
[ -x "$python" ] || python=python
export TORCH_CPP_LOG_LEVEL=${TORCH_CPP_LOG_LEVEL:-FATAL} # no stacks of C++ beside our sentences
exec "$python" "$tools/launch.py" "$2" "$tools/train.py" "$1" "${@:3}"
