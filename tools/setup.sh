#!/usr/bin/env bash
# Sets up .venv: the pinned requirements, mmcv with compiled operators, this project. Does what is
# missing and reuses what is there; `make` runs it before every target that needs it.
#
#   PYTHON=python3.11   the Python to use: 3.10, 3.11 or 3.12    (else the first that is found)
#   TORCH_INDEX=URL     where torch comes from: a build for the  (else pip's own index; on Linux
#                       CPU alone, or for another CUDA            x86_64 the build for CUDA 13)
#   MILA_CACHE=DIR      where the compiled mmcv is kept          (else ~/.cache/mila-toolkit)
#   MAX_JOBS=N          how many files to compile at once        (else by cores and memory)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf 'setup: %s\n' "$*"; }
die() { say "$*" >&2; exit 1; }
clock() { printf '%d:%02d' $(($1 / 60)) $(($1 % 60)); }
pins() { grep -oE "^($1)==[^ ;]+" requirements.txt; }
pip() { .venv/bin/python -m pip --disable-pip-version-check "$@"; }

# Prints the version, the path and the C header folder of the Python to use. Inside a virtual
# environment, .venv included, that is the Python which the environment was made from.
find_python() {
    local python candidates=("${PYTHON:-.venv/bin/python}")
    [ -n "${PYTHON:-}" ] || candidates+=(python3 python3.12 python3.11 python3.10)
    for python in "${candidates[@]}"; do
        "$python" - 2>/dev/null <<'PY' && return
import sys, sysconfig
if not (3, 10) <= sys.version_info[:2] <= (3, 12):
    sys.exit(1)
print("%d.%d" % sys.version_info[:2], sys._base_executable, sysconfig.get_path("include"), sep="\n")
PY
    done
    python=${PYTHON:-python3}
    die "Python 3.10, 3.11 or 3.12 is needed, and $python is" \
        "$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || echo missing):" \
        "install one (\`sudo apt-get install python3-dev python3-venv\` brings it on Debian 12," \
        "Ubuntu 22.04 and 24.04) or name one with PYTHON=/path/to/python."
}

# What would otherwise fail after minutes, each with its cure.
check_machine() {
    local free needed=10 # GB, most of them for CUDA
    [[ $TORCH_INDEX != */cpu ]] || needed=4
    free=$(df -Pk . | awk 'NR == 2 {print int($4 / 1024 / 1024)}')
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        die "Python $version lacks its venv module: run \`sudo apt-get install python$version-venv\`."
    [ -e "$headers/Python.h" ] ||
        die "Python $version lacks its C headers: run \`sudo apt-get install python$version-dev\`."
    ${CXX:-c++} -std=c++17 -fsyntax-only -x c++ - <<<'#include <optional>' 2>/dev/null ||
        die "There is no working C++17 compiler (${CXX:-c++}): run \`sudo apt-get install g++\`."
    [ -d .venv ] || ((free >= needed)) ||
        die "The set-up needs $needed GB and $PWD has $free GB free: make room, or take" \
            "PyTorch without CUDA, which is content with 4 (TORCH_INDEX, see README.md)."
    [ ! -e .venv ] || [ -e .venv/made-for ] ||
        die "There is a .venv here that \`make setup\` did not make: remove it or give it another name."
}

# A compiled mmcv fits one Python, one torch, one kind of card and processor: so says its folder.
mmcv_key() {
    .venv/bin/python - "$(pins mmcv)" <<'PY'
import platform, sys, torch
card = "sm%d%d" % torch.cuda.get_device_capability() if torch.cuda.is_available() else "cpu"
mmcv, python = sys.argv[1].replace("==", "-"), "cp%d%d" % sys.version_info[:2]
print(mmcv, python, "torch-" + torch.__version__, card, platform.machine(), sep="-")
PY
}

# Installs mmcv from the cache and runs an operator: fails where there is no wheel or a wrong one.
try_mmcv() {
    pip install --no-deps --force-reinstall "$wheels"/mmcv-*.whl && .venv/bin/python - <<'PY'
import torch
from mmcv.ops import nms
for device in ["cpu"] + ["cuda"] * torch.cuda.is_available():
    boxes = torch.tensor([[0.0, 0, 9, 9], [0, 0, 9, 8]], device=device)
    assert nms(boxes, torch.tensor([0.9, 0.8], device=device), 0.5)[1].tolist() == [0]
PY
}

build_mmcv() {
    find_nvcc
    mkdir -p "$wheels"
    part=$(mktemp -d -p "$wheels")
    say "compiling mmcv's operators, $MAX_JOBS files at a time; once, some 20 minutes of one core's work."
    MMCV_WITH_OPS=1 pip wheel --verbose --no-deps --no-build-isolation --no-cache-dir --no-binary mmcv \
        --wheel-dir "$part" "$(pins mmcv)" 2>&1 | tee "$log" | show_progress || {
        { grep -m 5 -E 'error:|Killed' "$log" || true; tail -n 15 "$log"; } | cut -c -200 >&2
        die "mmcv did not compile, see $log; if memory ran out, run \`MAX_JOBS=1 make setup\`."
    }
    mv "$part"/mmcv-*.whl "$wheels" # a rename, so that the cache never holds half a wheel
}

# A graphics card needs operators compiled by an nvcc of torch's own CUDA version. The machine's is
# rarely that, so it comes from pip, like torch's CUDA libraries; CUDA_HOME names another.
find_nvcc() {
    local cuda
    cuda=$(.venv/bin/python -c 'import torch; print(torch.cuda.is_available() and torch.version.cuda)')
    [[ $cuda == 13.* && -z ${CUDA_HOME:-} ]] || return 0
    pip install "cuda-toolkit[nvcc,cccl]==$cuda.*" "nvidia-nvvm==$cuda.*" "nvidia-cuda-crt==$cuda.*"
    CUDA_HOME=$(.venv/bin/python -c 'import nvidia; print(*nvidia.__path__)')/cu13
    ln -sf libcudart.so.13 "$CUDA_HOME/lib/libcudart.so" # the name that the linker looks for
    export CUDA_HOME
}

# Reads the build's log and tells how far ninja is: "[12/77] c++ ...".
show_progress() {
    local line left='' start=$SECONDS shown=$SECONDS every=30 before='' after='\n'
    [ ! -t 1 ] || { every=1 before='\r\033[K' after=''; } # on a terminal, one line that lives
    while IFS= read -r -t 1 line || (($? > 128)); do       # above 128: a second without news
        if [[ $line =~ ^\ *\[([0-9]+)/([0-9]+)\] ]]; then
            local n=${BASH_REMATCH[1]} all=${BASH_REMATCH[2]}
            left="$n of $all files, about $(clock $(((SECONDS - start) * (all - n) / n))) left, "
        fi
        ((SECONDS - shown >= every)) || continue
        shown=$SECONDS
        printf "${before}setup: mmcv: %s%s so far$after" "$left" "$(clock $((SECONDS - start)))"
    done
    [ ! -t 1 ] || echo
}

# Two `make` in one clone take turns; this file is the lock.
exec 9<tools/setup.sh
flock --nonblock 9 || { say "waiting for the set-up that already runs in this clone."; flock 9; }

# An index left out stays the one that .venv was made for.
TORCH_INDEX=${TORCH_INDEX-$(cut -d ' ' -f 2 .venv/made-for 2>/dev/null || true)}
{ read -r version && read -r python && read -r headers; } < <(find_python) || exit 1
made_for="$version $TORCH_INDEX"
stamp=$(echo "$made_for $PWD" | cat - requirements.txt pyproject.toml tools/setup.sh | sha256sum)
[ ! -x .venv/bin/python ] || [ "$(cat .venv/stamp 2>/dev/null)" != "$stamp" ] || exit 0

check_machine
part=
trap 'rm -rf .venv/tmp "$part"' EXIT
trap 'exit 130' INT
trap 'say "stopped by the error above; run it again once that is cured, what is done is kept." >&2' ERR

if [ "$(cat .venv/made-for 2>/dev/null)" != "$made_for" ] || ! pip --version &>/dev/null; then
    say "making .venv with Python $version."
    rm -rf .venv
    mkdir .venv
    echo "$made_for" >.venv/made-for
    "$python" -m venv .venv
fi
rm -f .venv/stamp
mkdir -p .venv/tmp
export TMPDIR=$PWD/.venv/tmp # /tmp is often too small for torch's gigabytes
MAX_JOBS=${MAX_JOBS:-$(awk -v cores="$(nproc)" '/^MemAvailable/ {
    n = int($2 / 2e6); print (n < 1 ? 1 : n < cores ? n : cores) }' /proc/meminfo)} # 2 GB a compiler
export MAX_JOBS

say "1/4 PyTorch"
pip install "$(pins pip)"
mapfile -t torch < <(pins 'torch|torchvision')
pip install "${torch[@]}" ${TORCH_INDEX:+--index-url "$TORCH_INDEX"}

say "2/4 the other requirements"
pip install -r <(grep -vE '^(pip|torch|torchvision|mm[a-z]+)==' requirements.txt)

say "3/4 OpenMMLab"
mapfile -t openmmlab < <(pins 'mmengine|mmdet|mmsegmentation')
pip install --no-deps "${openmmlab[@]}"
wheels=${MILA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/mila-toolkit}/wheels/$(mmcv_key)
log=.venv/mmcv.log
if ! try_mmcv &>"$log"; then
    ! rm "$wheels"/mmcv-*.whl 2>/dev/null || say "the mmcv in $wheels does not work here: building it anew."
    build_mmcv
    try_mmcv || die "mmcv compiled, but its operators do not run, as said above; the build's log is $log."
fi

say "4/4 this project"
pip install --no-deps --no-build-isolation --editable .
echo "$stamp" >.venv/stamp
say "done."
