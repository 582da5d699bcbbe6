#!/usr/bin/env bash
# Evaluate a checkpoint with N processes; the metrics are those of one.
#
#   tools/dist_test.sh CONFIG CHECKPOINT N [options of tools/test.py]
#
# Variables as in tools/dist_train.sh.
set -euo pipefail
if (($# < 3)); then
    echo "error: usage is tools/dist_test.sh CONFIG CHECKPOINT N [options of tools/test.py]" >&2
    exit 2
fi
tools=$(dirname "${BASH_SOURCE[0]}")
python=$tools/../.venv/bin/python
[ -x "$python" ] || python=python
export TORCH_CPP_LOG_LEVEL=${TORCH_CPP_LOG_LEVEL:-FATAL} # no stacks of C++ beside our sentences
exec "$python" "$tools/launch.py" "$3" "$tools/test.py" "$1" "$2" "${@:4}"
