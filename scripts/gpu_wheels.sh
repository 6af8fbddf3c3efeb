#!/usr/bin/env bash
# Fills a folder with all that a machine with a GPU and no network lacks: scripts/gpu_wheels.sh [folder]
#
# Wheels of nvForest for Python 3.12 on x86-64 Linux, and models, rows and peers' files of the benchmark,
# trained here (minutes, unless benchmarks/.models has them). Git ignores gpu_wheels/, which travels with the
# checkout: scripts/gpu_size.py says how much both are together, and how much they may be.
#   PYTHON=...           the interpreter to use; .venv/bin/python by default
#   GPU_WHEELS_MODELS=0  wheels alone
set -euo pipefail
cd "$(dirname "$0")/.."

if [ $# -gt 1 ]; then
  echo "usage: scripts/gpu_wheels.sh [folder]" >&2
  exit 2
fi
folder=${1:-gpu_wheels}
python=${PYTHON:-.venv/bin/python}

# pip matches these by name: a wheel for an older glibc runs on a newer one.
platforms=()
for minor in 17 24 27 28; do
  platforms+=(--platform "manylinux_2_${minor}_x86_64")
done
platforms+=(--platform manylinux2014_x86_64)

mkdir -p "$folder"
"$python" -m pip download -q --no-deps --only-binary=:all: --python-version 3.12 \
  --implementation cp "${platforms[@]}" -d "$folder" -r benchmarks/gpu_wheels.txt

if [ "${GPU_WHEELS_MODELS:-1}" != 0 ]; then
  # Checkpoints are written by the treelite that will read them.
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
  "$python" -m pip install -q --no-index --no-deps --target "$scratch" "$folder"/treelite-*.whl
  PYTHONPATH="$scratch" "$python" benchmarks/gpu_models.py "$folder/models"
fi

"$python" scripts/gpu_size.py "$folder"
