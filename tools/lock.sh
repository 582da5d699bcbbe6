#!/usr/bin/env bash
# Derives requirements.txt from pyproject.toml: one version of every package, for all Pythons and
# systems, by uv's universal resolution. What torch needs of CUDA is left to torch, whose builds for
# other devices need other packages.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
command -v uv >/dev/null || { echo "lock: uv is not installed: run \`pip install uv\`." >&2; exit 1; }
{
    echo "# Every version that \`make setup\` installs, derived from pyproject.toml by \`make lock\`."
    echo "# Without make: pip install torch==VERSION torchvision==VERSION of this list, then"
    echo "# pip install --no-deps -r requirements.txt (why --no-deps, tools/setup.sh says)."
    uv pip compile --quiet --universal --python-version 3.10 --all-extras --group dev \
        --no-header --no-annotate "$@" pyproject.toml |
        grep -vE '^(nvidia-|cuda-|triton=|opencv-python=)'
} >requirements.txt.partial
mv requirements.txt.partial requirements.txt
