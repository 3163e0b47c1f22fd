#!/bin/sh
# Runs both tasks over messages.jsonl; prints expected_output.txt. The folder of what the Makefile
# built is the first argument.
set -eu
cd "$(dirname "$0")"
build=${1:-../../build/release/examples/01_simple_reader}
bin=${RIVULET_BIN_DIR:-../../build/bin}
failed=$(mktemp -d)
trap 'rm -rf "$failed"' EXIT

echo "== simple_reader: a task linked in"
"$build/simple_reader" --source=file:messages.jsonl --max-tries=2 --max-backoff=0s \
  --failed-message-dir="$failed" --log-level=error | sed 's/ in [0-9.]* s ([0-9]*\/s)//'
echo
echo "== queuereader: the same messages, a task in a shared object"
"$bin/queuereader" --source=- --task="$build/my_task.so" --failed-message-dir="$failed" \
  --log-level=error < messages.jsonl | sed 's/ in [0-9.]* s ([0-9]*\/s)//'
echo
echo "== set aside: $(find "$failed" -name '*.json' | wc -l) given up, \
$(find "$failed" -name '*.malformed' | wc -l) malformed"
