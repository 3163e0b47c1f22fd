#!/usr/bin/env bash
# Keeps a click stream in hourly compressed files by country, kills everything at random while it
# runs, plays the files back, and compares what came with what was published.
#
#   file_to_http -> pubsub -> ps_to_file -> archive/… -> file_to_http -> simplequeue
#
#   examples/archive/run.sh [FILE]
#
# FILE holds one JSON object a line. Without it: ../shared/data/usagov_clicks.jsonl where that is
# present, else COUNT generated clicks. RATE is messages a second, SEED that of the kills, KEEP=DIR
# leaves the archive there. Exits 1 unless nothing was lost and nothing doubled.
set -u

root=$(cd "$(dirname "$0")/../.." && pwd)
bin=${RIVULET_BIN_DIR:-$root/build/bin}
examples=${RIVULET_EXAMPLES_DIR:-$root/build/release/examples}
rate=${RATE:-600}
RANDOM=${SEED:-$$}
work=$(mktemp -d "${TMPDIR:-/tmp}/rivulet-archive.XXXXXX") || exit 1
keepers=()

# Runs once, however the script ends: nobody is started again, and everybody is stopped.
finish() {
  local status=$? pid
  trap - EXIT
  trap '' INT TERM HUP
  touch "$work/stop"
  for pid in "$work"/*.pid; do
    [ -e "$pid" ] && kill -TERM "$(cat "$pid")" 2>/dev/null
  done
  for pid in "${keepers[@]}"; do wait "$pid" 2>/dev/null; done
  rm -rf "$work"
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

fail() {
  local log
  echo "archive: $1" >&2
  for log in "$work"/*.log; do
    [ -s "$log" ] && { echo "--- ${log##*/}" >&2; tail -n 20 "$log" >&2; }
  done
  exit 1
}

# keep NAME PROGRAM ARGUMENT...: runs it, and starts it again whenever it was killed.
keep() {
  local name=$1 program=$bin/$2
  shift 2
  [ -x "$program" ] || fail "$program is not built: run make"
  (
    trap '' INT # Ctrl-C is for the script
    status=137
    while [ "$status" -gt 128 ] && [ ! -e "$work/stop" ]; do
      "$program" "$@" >>"$work/$name.out" 2>>"$work/$name.log" </dev/null &
      echo $! >"$work/$name.pid"
      wait $! 2>/dev/null
      status=$?
    done
    rm -f "$work/$name.pid"
    echo "$status" >"$work/$name.status"
  ) 2>/dev/null &
  keepers+=($!)
}

# until_so SECONDS WHAT COMMAND...: until the command succeeds.
until_so() {
  local seconds=$1 end=$(($(date +%s) + $1)) what=$2
  shift 2
  until "$@"; do
    [ "$(date +%s)" -lt "$end" ] || fail "$what within $seconds s"
    sleep 0.05
  done
}

ended() { [ -e "$work/$1.status" ]; }
announced() { grep -q '^listening on ' "$work/$1.out" 2>/dev/null; }
port_of() { sed -n 's/^listening on .*://p' "$work/$1.out" | head -n 1; }
# An answer of lines begins with an empty one.
past() { curl -sS --max-time 30 "http://127.0.0.1:$pubsub/sub?format=lines&since=earliest&until=now" | tr -d '\r' | grep .; }

input=${1:-}
if [ -z "$input" ] && [ -r "$root/../shared/data/usagov_clicks.jsonl" ]; then
  input=$root/../shared/data/usagov_clicks.jsonl
elif [ -z "$input" ]; then
  input=$work/clicks.jsonl
  "$examples/clicks/generate" --count="${COUNT:-3000}" --seed=1 >"$input" || fail "the generator failed"
fi
[ -r "$input" ] || fail "'$input' cannot be read"
archive=${KEEP:-$work/archive}
mkdir -p "$archive" || fail "$archive cannot be made"
echo "keeping ${input##*/}, $(grep -c . "$input") messages, in hourly files by country"

# The port that pubsub finds first is its own from then on.
keep first pubsub --port=0 --data-path="$work/past"
until_so 20 "pubsub did not start" announced first
pubsub=$(port_of first)
kill -TERM "$(cat "$work/first.pid")"
until_so 20 "pubsub did not end" ended first
keep pubsub pubsub --port="$pubsub" --data-path="$work/past"
keep ps_to_file ps_to_file --pubsub-url="http://127.0.0.1:$pubsub/sub?since=earliest" --compress=zstd \
  --filename-format="$archive/%Y-%m-%d/%H-{c}.jsonl" --checkpoint-interval=200ms --max-backoff=200ms
keep player file_to_http --destination-post-url="http://127.0.0.1:$pubsub/pub" --batch=20 --rate="$rate" \
  --offset-file="$work/offsets" --max-backoff=200ms "$input"

kills=0
while ! ended player; do
  sleep "0.$((RANDOM % 6 + 2))"
  names=(pubsub ps_to_file player)
  name=${names[RANDOM % 3]}
  if pid=$(cat "$work/$name.pid" 2>/dev/null) && kill -KILL "$pid" 2>/dev/null; then kills=$((kills + 1)); fi
done
[ "$(cat "$work/player.status")" = 0 ] || fail "not all was published"

# The archive is whole when it has as many lines as pubsub has messages; then it is completed.
# It may have been killed last, and is just starting again.
ask_past() { past >"$work/published" 2>"$work/past.err"; }
until_so 20 "pubsub did not answer" ask_past
published=$(wc -l <"$work/published")
# Frames one after the other are one stream, from whichever file.
lines() { find "$archive" -name '*.zst*' -exec cat {} + | zstd -dqc | wc -l; }
has_all() { [ "$(lines)" -ge "$published" ]; }
until_so 30 "ps_to_file did not catch up" has_all
complete() {
  kill -HUP "$(cat "$work/ps_to_file.pid")" 2>/dev/null
  sleep 0.2
  [ -z "$(find "$archive" -name '*.part')" ]
}
until_so 20 "the files were not completed" complete

keep queue simplequeue --port=0
until_so 20 "simplequeue did not start" announced queue
queue=$(port_of queue)
mapfile -t files < <(find "$archive" -name '*.zst' | sort)
"$bin/file_to_http" --destination-post-url="http://127.0.0.1:$queue/mput" --batch=500 "${files[@]}" \
  2>"$work/replay.log" || fail "the files were not played back"
curl -sS --max-time 30 "http://127.0.0.1:$queue/dump" >"$work/replayed" || fail "simplequeue does not answer"

# As multisets; and, the player having been killed too, the input as a set.
sort "$work/published" >"$work/a"
sort "$work/replayed" >"$work/b"
lost=$(comm -23 "$work/a" "$work/b" | wc -l)
doubled=$(comm -13 "$work/a" "$work/b" | wc -l)
unpublished=$(comm -23 <(grep . "$input" | sort -u) <(sort -u "$work/a") | wc -l)
echo "killed $kills times; published $published messages, $unpublished of the input missing"
echo "${#files[@]} files of $(find "$archive" -name '*.zst' -printf '%s\n' | awk '{ n += $1 } END { print n }') bytes," \
  "$(wc -l <"$work/replayed") messages played back: $lost lost, $doubled doubled"
[ "$unpublished" = 0 ] && [ "$lost" = 0 ] && [ "$doubled" = 0 ]
