#!/usr/bin/env bash
# Attacks the door with mutated files: scripts/fuzz.sh [seconds]
#
# Uses Clang with libFuzzer where it is installed, else GCC with the driver of tests/fuzz/main.cpp;
# AddressSanitizer and UndefinedBehaviorSanitizer watch in both cases.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-60}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
compiler=${CXX:-g++}
kind=gcc
echo 'extern "C" int LLVMFuzzerTestOneInput(const char*, unsigned long) { return 0; }' >"$scratch/probe.cpp"
if clang++ -fsanitize=fuzzer,address "$scratch/probe.cpp" -o "$scratch/probe" 2>/dev/null; then
  compiler=clang++
  kind=clang
fi

build=build/fuzz-$kind
cmake -S . -B "$build" -DCMAKE_CXX_COMPILER="$compiler" -DCMAKE_BUILD_TYPE=RelWithDebInfo \
  -DCORDWOOD_PYTHON=OFF -DCORDWOOD_FUZZ=ON -DCORDWOOD_SANITIZE=address,undefined >/dev/null
cmake --build "$build" --target fuzz_load --parallel "$(nproc)"

# The fuzzer adds what it finds to its own corpus; the golden files are only read.
mkdir -p build/fuzz-corpus build/fuzz-seeds
cp tests/golden/*.cord tests/golden_nets/*.cord build/fuzz-seeds/
options=(-max_total_time="$seconds" -artifact_prefix=build/)
if [ "$kind" = clang ]; then
  options+=(-max_len=65536 -rss_limit_mb=4096 -timeout=10 -print_final_stats=1)
fi
"$build/tests/fuzz/fuzz_load" "${options[@]}" build/fuzz-corpus build/fuzz-seeds
