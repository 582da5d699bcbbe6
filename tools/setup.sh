#!/usr/bin/env bash
# Sets up .venv: the versions of requirements.txt, all of them ready wheels, and this project. Does
# what is missing and reuses what is there; `make` runs it before every target that needs it.
#
#   PYTHON=python3.13   the Python to use, 3.10 or newer          (else the newest that is found)
#   TORCH_INDEX=URL     where torch comes from: a build for the   (else pip's own index; on Linux
#                       CPU alone, or for another CUDA             the build for CUDA 13)
#   VENV=DIR            the environment                           (else .venv)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
VENV=${VENV:-.venv}

say() { printf 'setup: %s\n' "$*"; }
die() { say "$*" >&2; exit 1; }
pip() { "$VENV/bin/python" -m pip --disable-pip-version-check "$@"; }

# Prints the version and the path of the Python to use. Inside a virtual environment, $VENV included,
# that is the Python which the environment was made from.
find_python() {
    local python candidates=("${PYTHON:-$VENV/bin/python}")
    [ -n "${PYTHON:-}" ] || candidates+=(python3 python3.14 python3.13 python3.12 python3.11 python3.10)
    for python in "${candidates[@]}"; do
        "$python" - 2>/dev/null <<'PY' && return
import sys
if sys.version_info < (3, 10):
    sys.exit(1)
print("%d.%d" % sys.version_info[:2], sys._base_executable, sep="\n")
PY
    done
    python=${PYTHON:-python3}
    die "Python 3.10 or newer is needed, and $python is" \
        "$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || echo missing):" \
        "install one (\`sudo apt-get install python3 python3-venv\` on Debian and Ubuntu)" \
        "or name one with PYTHON=/path/to/python."
}

# What would otherwise fail after minutes, each with its cure.
check_machine() {
    local free needed=8 # GB, most of them for CUDA
    case $TORCH_INDEX in */cpu) needed=3 ;; esac
    free=$(df -Pk . | awk 'NR == 2 {print int($4 / 1024 / 1024)}')
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        die "Python $version lacks its venv module: run \`sudo apt-get install python$version-venv\`."
    [ -d "$VENV" ] || ((free >= needed)) ||
        die "The set-up needs $needed GB and $PWD has $free GB free: make room, or take" \
            "PyTorch without CUDA, which is content with 3 (TORCH_INDEX, see README.md)."
    [ ! -e "$VENV" ] || [ -e "$VENV/made-for" ] ||
        die "There is a $VENV here that \`make setup\` did not make: remove it or give it another name."
}

# Two `make` in one clone take turns; this file is the lock. macOS has no flock.
if command -v flock >/dev/null; then
    exec 9<tools/setup.sh
    flock --nonblock 9 || { say "waiting for the set-up that already runs in this clone."; flock 9; }
fi

# An index left out stays the one that the environment was made for.
TORCH_INDEX=${TORCH_INDEX-$(cut -d ' ' -f 2 "$VENV/made-for" 2>/dev/null || true)}
{ read -r version && read -r python; } < <(find_python) || exit 1
made_for="$version $TORCH_INDEX"
stamp=$(echo "$made_for $PWD" | cat - requirements.txt pyproject.toml tools/setup.sh | cksum)
[ ! -x "$VENV/bin/python" ] || [ "$(cat "$VENV/stamp" 2>/dev/null)" != "$stamp" ] || exit 0

check_machine
trap 'rm -rf "$VENV/tmp"' EXIT
trap 'exit 130' INT
trap 'say "stopped by the error above; run it again once that is cured, what is done is kept." >&2' ERR

if [ "$(cat "$VENV/made-for" 2>/dev/null)" != "$made_for" ] || ! pip --version &>/dev/null; then
    say "making $VENV with Python $version."
    rm -rf "$VENV"
    mkdir -p "$VENV"
    echo "$made_for" >"$VENV/made-for"
    "$python" -m venv "$VENV"
fi
rm -f "$VENV/stamp"
mkdir -p "$VENV/tmp"
export TMPDIR=$PWD/$VENV/tmp # /tmp is often too small for torch's gigabytes
case $VENV in /*) TMPDIR=$VENV/tmp ;; esac

# torch brings what it needs of CUDA, which depends on where it comes from. All else is listed to the
# last package: --no-deps leaves out opencv-python, which a machine without a screen cannot import.
say "1/3 PyTorch"
# shellcheck disable=SC2046 # two words, torch and torchvision with their versions
pip install $(grep -oE '^(torch|torchvision)==[^ ;]+' requirements.txt) \
    ${TORCH_INDEX:+--index-url "$TORCH_INDEX"}
say "2/3 the other requirements"
pip install --no-deps -r <(grep -vE '^(torch|torchvision)==' requirements.txt)
say "3/3 this project"
pip install --no-deps --no-build-isolation --editable .
echo "$stamp" >"$VENV/stamp"
say "done."
