#!/usr/bin/env bash
# Builds, tests and measures cordwood on a machine with a GPU: scripts/gpu_check.sh [--rehearse] [--only STEP,STEP]
#
# Needs no network. What the machine lacks comes from gpu_wheels/, which scripts/gpu_wheels.sh fills elsewhere.
# Each step has its own limit, and a step that fails stops no other but a failed build; the last lines say how each
# ended, and the status is the number of those that failed. All together end within 570 seconds: the benchmark is
# last, and gets what is left.
#   --rehearse    the same steps without a GPU: nothing is built, small batches, the CPU as the device
#   --only STEPS  some of wheels, build, gpu-tests, cuda-tests, memcheck, racecheck, benchmark, with commas between;
#                 what they need is built, unless it stands already
#   --out FOLDER  logs and results go here, eight files at most; build/gpu by default
#   PYTHON=...    the interpreter to use; python3 by default
set -uo pipefail
cd "$(dirname "$0")/.." || exit 2
# Where nvcc and compute-sanitizer lie when nobody has put them on PATH.
export PATH=$PATH:/usr/local/cuda/bin
# torch's profiler lets go of the driver when it ends, so that nothing after it is slower.
export TEARDOWN_CUPTI=1

steps=(wheels build gpu-tests cuda-tests memcheck racecheck benchmark)
usage() {
  echo "usage: scripts/gpu_check.sh [--rehearse] [--only STEP,STEP] [--out FOLDER]; steps: ${steps[*]}" >&2
  exit 2
}

rehearse=0
out=build/gpu
asked=("${steps[@]}")
while [ $# -gt 0 ]; do
  case $1 in
    --rehearse) rehearse=1 ;;
    --only | --out)
      [ $# -ge 2 ] || usage
      if [ "$1" = --out ]; then out=$2; else IFS=, read -ra asked <<<"$2"; fi
      shift
      ;;
    *) usage ;;
  esac
  shift
done
for name in "${asked[@]}"; do
  [[ " ${steps[*]} " = *" $name "* ]] || usage
done
[ "${#asked[@]}" -gt 0 ] || usage
python=${PYTHON:-python3}
wheels=${GPU_WHEELS:-gpu_wheels}
made=${GPU_MADE:-$PWD/build/gpu-made}
site=$made/site
mkdir -p "$out" || exit 2

names=()
ends=()
failed=0
stopped=
most_seconds=570

is_asked() {
  [[ " ${asked[*]} " = *" $1 "* ]]
}

# step NAME SECONDS COMMAND...: runs it with a limit, its output in a log, the log's end on the screen.
step() {
  local name=$1 limit=$2 status start=$SECONDS end left=$((most_seconds - SECONDS))
  shift 2
  if [ -n "$stopped" ]; then
    skip "$name" "$stopped"
    return 1
  fi
  if [ "$limit" -gt "$left" ]; then limit=$left; fi
  if [ "$limit" -lt 5 ]; then
    skip "$name" "no time is left"
    return 1
  fi
  echo "== $name"
  timeout --kill-after=10 "$limit" "$@" >"$out/$name.log" 2>&1
  status=$?
  case $status in
    0) end="passed in $((SECONDS - start)) s" ;;
    124 | 137) end="FAILED: over its $limit s" ;;
    *) end="FAILED: status $status after $((SECONDS - start)) s" ;;
  esac
  [ "$status" = 0 ] || failed=$((failed + 1))
  tail -n "${lines:-15}" "$out/$name.log"
  names+=("$name")
  ends+=("$end; $out/$name.log")
  echo "-- $name: $end"
  return "$status"
}

skip() {
  echo "== $1: skipped, $2"
  names+=("$1")
  ends+=("skipped: $2")
}

# The device's own architecture alone: a third of the time to compile.
architecture() {
  "$python" - <<'PYTHON'
try:
    import cupy

    major, minor = divmod(int(cupy.cuda.Device(0).compute_capability), 10)
except ImportError:
    import torch

    major, minor = torch.cuda.get_device_capability(0)
# Hopper's and Blackwell's own instructions are in the code for that one alone.
print(f"{major}{minor}{'a' if major in (9, 10) else ''}-real")
PYTHON
}

# What is built, in a line: another line, and it no longer stands.
what_is_built() {
  find csrc cuda cmake python CMakeLists.txt pyproject.toml "$wheels"/*.whl -type f -not -path '*/__pycache__/*' \
    -print0 2>/dev/null | sort -z | xargs -0 sha256sum | sha256sum
  echo "$arch"
}

install_and_build() {
  local install=("$python" -m pip install --no-index --no-deps --no-compile --target "$site")
  rm -rf "$site" "$made/stands"
  if compgen -G "$wheels/*.whl" >/dev/null; then
    step wheels 40 "${install[@]}" "$wheels"/*.whl
  else
    skip wheels "none in $wheels; scripts/gpu_wheels.sh gets them"
  fi
  if SKBUILD_CMAKE_DEFINE="CORDWOOD_CUDA=ON;CORDWOOD_CUDA_ARCHITECTURES=$arch" SKBUILD_BUILD_DIR=$made/cmake \
    CMAKE_BUILD_PARALLEL_LEVEL=$(nproc) step build 200 "${install[@]}" --no-build-isolation .; then
    what_is_built >"$made/stands"
  else
    stopped="the build failed"
  fi
}

if [ "$rehearse" = 1 ]; then
  device=cpu
  rows=2000
  seconds=0.05
  skip wheels "a rehearsal takes what is installed"
  skip build "a rehearsal takes cordwood as it is installed"
else
  device=cuda
  rows=1000000
  seconds=2
  nvidia-smi --query-gpu=name,driver_version,memory.used,clocks.sm --format=csv || true
  if ! arch=$(architecture); then
    echo "no CUDA device that CuPy or torch sees; --rehearse runs without one" >&2
    exit 2
  fi
  export PYTHONPATH=$site${PYTHONPATH:+:$PYTHONPATH}
  if is_asked wheels || is_asked build || [ "$(what_is_built)" != "$(cat "$made/stands" 2>/dev/null)" ]; then
    install_and_build
  else
    skip build "it stands already"
  fi
fi

# Files by name: others import what such a machine lacks. Warnings of packages that are newer there are none of ours.
pytest=("$python" -m pytest -q -p no:cacheprovider -W default)
mapfile -t marked < <(grep -l 'mark\.gpu' tests/test_*.py)
if is_asked gpu-tests; then
  step gpu-tests 90 "${pytest[@]}" -m "gpu and not slow" "${marked[@]}"
fi
if is_asked cuda-tests; then
  step cuda-tests 40 "${pytest[@]}" -m "not gpu and not slow" tests/test_cuda_driver.py tests/test_cuda_failures.py
fi

# Every kernel once: golden files, batches on both sides of each tile and of the sums of several rows, rows of the
# device's own, masks, codes. torch's arrays reach the same kernels, and torch takes long to load under the checker.
watched="(golden or drawn or batch_of_many or answer_there or test_masks or (test_codes and int3)) and not torch"
checker=$(command -v compute-sanitizer || true)
for tool in memcheck racecheck; do
  is_asked "$tool" || continue
  if [ "$rehearse" = 1 ]; then
    skip "$tool" "a rehearsal has no device to watch"
  elif [ -z "$checker" ]; then
    skip "$tool" "compute-sanitizer is not on PATH"
  else
    step "$tool" 50 "$checker" --tool "$tool" --error-exitcode 9 \
      "${pytest[@]}" tests/test_cuda_device.py tests/test_cuda_device_ops.py -k "$watched"
  fi
done

if is_asked benchmark; then
  if compgen -G "$wheels/models/*.cord" >/dev/null; then
    save=()
    if [ "$rehearse" = 0 ]; then save=(--save); fi
    lines=200 step benchmark "$most_seconds" "$python" -W ignore benchmarks/bench_gpu.py --device "$device" \
      --folder "$wheels/models" --rows "$rows" --seconds "$seconds" --json "$out/gpu.json" "${save[@]}"
  else
    skip benchmark "no models in $wheels/models; scripts/gpu_wheels.sh makes them"
  fi
fi

echo
for ((i = 0; i < ${#names[@]}; ++i)); do
  printf '%-12s %s\n' "${names[$i]}" "${ends[$i]}"
done
exit "$failed"
