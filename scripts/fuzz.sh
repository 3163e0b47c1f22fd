#!/bin/sh
# Runs every fuzz target of BUILD/fuzzers for SECONDS. The corpus of each is kept under BUILD/corpus,
# grown from tests/fuzz/NAME_corpus where that exists; an input that crashes is left in BUILD.
#
#   scripts/fuzz.sh BUILD SECONDS
set -eu

build=${1:?"name the build folder"}
seconds=${2:-30}
found=0
failed=0
for fuzzer in "$build"/fuzzers/*_fuzz; do
  [ -x "$fuzzer" ] || continue
  found=$((found + 1))
  name=${fuzzer##*/}
  corpus=$build/corpus/$name
  mkdir -p "$corpus"
  seeds=tests/fuzz/${name%_fuzz}_corpus
  [ -d "$seeds" ] || seeds=
  log=$build/$name.log
  if "$fuzzer" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
      -artifact_prefix="$build/$name." "$corpus" ${seeds:+"$seeds"} >"$log" 2>&1; then
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    echo "$name: ${runs:-?} inputs in $seconds s, none crashed"
  else
    failed=$((failed + 1))
    echo "$name: FAILED"
    tail -n 40 "$log"
  fi
done
echo "$((found - failed)) passed, $failed failed"
[ "$found" -gt 0 ] && [ "$failed" = 0 ]
