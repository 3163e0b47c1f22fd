#!/usr/bin/env bash
# Makes a graph of a click stream, from referrer to target, in a store, and draws it:
#
#   clicks -> queuereader --task=graph:from=r,to=u,store=shared -> STORE -> rivulet-graph
#
#   examples/click_graph/run.sh [FILE]
#
# FILE holds one JSON object a line. Without it: COUNT (3000) generated clicks. STORE is a store's URL,
# as redis://localhost; without it, a folder that is gone at the end. OUT (.) gets clicks.dot and,
# where graphviz is installed, clicks.svg.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
bin=${RIVULET_BIN_DIR:-$root/build/bin}
examples=${RIVULET_EXAMPLES_DIR:-$root/build/release/examples}
out=${OUT:-.}
work=$(mktemp -d "${TMPDIR:-/tmp}/rivulet-click-graph.XXXXXX")
trap 'rm -rf "$work"' EXIT
store=${STORE:-file:$work/store}

input=${1:-}
if [ -z "$input" ]; then
  input=$work/clicks.jsonl
  "$examples/clicks/generate" --count="${COUNT:-3000}" --seed=1 >"$input"
fi
[ -r "$input" ] || { echo "click_graph: '$input' cannot be read" >&2; exit 1; }

"$bin/queuereader" --source="file:$input" --store="$store" --task=graph:from=r,to=u,store=shared,name=clicks \
  --failed-message-dir="$work/failed" --log-level=error | sed 's/ in [0-9.]* s ([0-9]*\/s)//'

graph() { "$bin/rivulet-graph" --store="$store" "$@"; }

echo "== where most clicks lead from and to"
graph top 5
echo "== targets, by the clicks that lead there"
graph --by=in top 3
echo "== from where people come to the first of them"
target=$(graph --by=in --json top 1 | sed 's/.*"node":"\([^"]*\)".*/\1/')
graph --limit=3 neighbors "$target"
graph --limit=30 --output="$out/clicks.dot" export
echo "wrote clicks.dot, the strongest $(grep -c -e '->' "$out/clicks.dot") edges"
if command -v dot >/dev/null; then
  graph --limit=30 --format=svg --output="$out/clicks.svg" export
  echo "wrote clicks.svg"
else
  echo "graphviz is not installed: no clicks.svg"
fi
