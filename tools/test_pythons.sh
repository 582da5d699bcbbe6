#!/usr/bin/env bash
# Tries every other Python that is found: sets up an environment for it, in .venvs, and runs what
# depends on Python and the libraries most: imports, operators, a short run of each task. The
# environment is removed when all is well, since each takes 6 GB.
#
#   PYTHONS="python3.10 /path/to/python3.13"   which ones        (else all from 3.10 to 3.14 on PATH
#                                                                 or of pyenv, but for .venv's own)
#   KEEP=1                                     keep the environments
#   TORCH_INDEX=URL                            as tools/setup.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

version_of() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null; }

find_pythons() {
    local minor candidate own
    own=$(version_of .venv/bin/python || true)
    for minor in 10 11 12 13 14; do
        [ "3.$minor" != "$own" ] || continue
        for candidate in "python3.$minor" "${PYENV_ROOT:-$HOME/.pyenv}/versions/3.$minor".*/bin/python; do
            [ "$(version_of "$candidate")" = "3.$minor" ] || continue
            echo "$candidate"
            break
        done
    done
}

tests=(
    tests/classification/test_stand_ins.py tests/classification/mmcv_ops tests/test_package.py
    tests/detection tests/segmentation tests/tools/test_predict.py
    tests/tools/test_test.py tests/docs/test_site.py
)
pythons=(${PYTHONS:-$(find_pythons)})
mkdir -p work_dirs
[ ${#pythons[@]} -gt 0 ] || { echo "pythons: no other Python is found: name some with PYTHONS=…"; exit 0; }
tried=()
for python in "${pythons[@]}"; do
    version=$(version_of "$python") || { echo "pythons: $python does not run." >&2; exit 1; }
    environment=.venvs/$version
    echo "pythons: $version ($python)"
    for attempt in first second; do # gigabytes are downloaded: a connection may break once
        PYTHON=$python VENV=$environment bash tools/setup.sh >"work_dirs/setup-$version.log" 2>&1 && break
        tail -n 20 "work_dirs/setup-$version.log" >&2
        [ $attempt = first ] || exit 1
    done
    "$environment/bin/python" -m pytest -q -m "not slow" "${tests[@]}"
    [ -n "${KEEP:-}" ] || rm -rf "$environment"
    tried+=("$version")
done
echo "pythons: ${tried[*]} are well."
