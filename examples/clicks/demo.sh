#!/usr/bin/env bash
# Plays click events through the whole pipeline, shows it at work, then what it found:
#
#   file_to_http -> pubsub -> ps_to_http -> simplequeue -> queuereader
#
#   examples/clicks/demo.sh [FILE]
#
# FILE holds one JSON object a line, and may be compressed (.gz, .zst). Without it: ../shared/data/usagov_clicks.jsonl where that is
# present, else COUNT generated clicks. RATE is messages a second (0: as fast as taken).
# Exits 1 unless everything that was published was processed. Stops every process that it started.
set -u

root=$(cd "$(dirname "$0")/../.." && pwd)
bin=${RIVULET_BIN_DIR:-$root/build/bin}
examples=${RIVULET_EXAMPLES_DIR:-$root/build/release/examples}
python=$(command -v /usr/bin/python3 || command -v python3)
rate=${RATE:-1000}
work=$(mktemp -d "${TMPDIR:-/tmp}/rivulet-demo.XXXXXX") || exit 1
pids=()

# Runs once, however the script ends.
finish() {
  local status=$? pid
  trap - EXIT
  trap '' INT TERM HUP
  for pid in "${pids[@]}"; do kill -TERM "$pid" 2>/dev/null; done
  for pid in "${pids[@]}"; do
    for _ in $(seq 100); do
      kill -0 "$pid" 2>/dev/null || break
      sleep 0.05
    done
    kill -KILL "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
  done
  rm -rf "$work"
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

fail() {
  local log
  # Ctrl-C reaches the programs, too: whoever was interrupted looks for no other reason. Bash does not
  # hear of it where a program in the foreground took it well; pubsub does.
  sleep 0.2
  grep -qs ' draining ' "$work/pubsub.err" && exit 130
  [ -t 1 ] && printf '\r\033[K'
  echo "demo: $1" >&2
  for log in "$work"/*.err; do
    [ -s "$log" ] && { echo "--- ${log##*/}" >&2; tail -n 20 "$log" >&2; }
  done
  exit 1
}

# start PATH ARGUMENT...: runs a program in the background; its pid is left in $started.
start() {
  local program=$1 name=${1##*/}
  shift
  [ -x "$program" ] || fail "$program is not built: run make"
  "$program" "$@" >"$work/$name.out" 2>"$work/$name.err" </dev/null &
  started=$!
  pids+=("$started")
}

# serve NAME ARGUMENT...: starts a server on a free port, which is left in $port.
serve() {
  local line=''
  start "$bin/$1" --port=0 "${@:2}"
  for _ in $(seq 1000); do
    line=$(grep -m 1 '^listening on ' "$work/$1.out") && break
    kill -0 "$started" 2>/dev/null || fail "$1 did not start"
    sleep 0.02
  done
  [ -n "$line" ] || fail "$1 did not say where it listens within 20 s"
  port=${line##*:}
}

ask() { curl -sS --max-time 10 "http://127.0.0.1:$1"; }

# The figures that are shown live; each program counts for itself.
poll() {
  local stats
  # The end of the stream first, so that no message is seen further on than at its start.
  progress=$(found)
  stats=$(ask "$queue/stats") || fail "simplequeue does not answer"
  puts=$(sed -n 's/^puts: *//p' <<<"$stats")
  depth=$(sed -n 's/^depth: *//p' <<<"$stats")
  stats=$(ask "$pubsub/stats") || fail "pubsub does not answer"
  received=$(sed -n 's/^Messages received: *//p' <<<"$stats")
}

# What queuereader logs of its progress, in days: "INFO 500 messages, 99/s; ... mean=S stddev=S ..."
found() {
  tail -n 1 "$work/queuereader.err" | awk -v RS='[ ;\n]+' '
    $0 == "messages," { taken = last }
    { last = $0 }
    sub(/^mean=/, "") { mean = $0 }
    sub(/^stddev=/, "") { deviation = $0 }
    sub(/^skewness=/, "") { skewness = $0 }
    END {
      printf "processed %7d", taken
      if (deviation > 0)
        printf "   age %.1f +- %.1f days, skewness %.2f", mean / 86400, deviation / 86400, skewness
    }'
}

last_shown=''
show() {
  local text
  text=$(printf '  published %7d   waiting %5d   %s' "$received" "$depth" "$progress")
  if [ -t 1 ]; then
    printf '\r\033[K%s' "$text"
  elif [ "$(date +%s)" != "$last_shown" ]; then
    echo "$text" # a line a second where there is no terminal
    last_shown=$(date +%s)
  fi
}

input=${1:-}
if [ -z "$input" ] && [ -r "$root/../shared/data/usagov_clicks.jsonl" ]; then
  input=$root/../shared/data/usagov_clicks.jsonl
fi
if [ -z "$input" ]; then
  input=$work/clicks.jsonl
  "$examples/clicks/generate" --count="${COUNT:-3000}" --seed="${SEED:-1}" --malformed=3 \
    >"$input" || fail "the generator failed"
  echo "playing ${COUNT:-3000} generated clicks, with heartbeats and 3 malformed lines among them"
else
  [ -r "$input" ] || fail "INPUT '$input' cannot be read"
  echo "playing ${input##*/}, $(wc -l <"$input" | tr -d ' ') lines"
fi

serve pubsub
pubsub=$port
serve simplequeue
queue=$port
start "$bin/ps_to_http" --pubsub-url="http://127.0.0.1:$pubsub/sub?multipart=0" \
  --destination-post-url="http://127.0.0.1:$queue/mput" --batch=100
bridge=$started
start "$bin/queuereader" --source="http://127.0.0.1:$queue" --failed-message-dir="$work/failed" \
  --task=count --task=moments:field=t,minus=hc --task=top:field=c,k=1000 --task=top:field=r,k=1000 \
  --sleeptime-queue-empty=50ms --summary-format=json --stats-interval=200ms
reader=$started
echo "pubsub on port $pubsub -> ps_to_http -> simplequeue on port $queue -> queuereader"

# A message that is published before the bridge listens goes to nobody.
clients=''
for _ in $(seq 500); do
  clients=$(ask "$pubsub/clients") || fail "pubsub does not answer"
  [[ $clients == *"connected at"* ]] && break
  kill -0 "$bridge" 2>/dev/null || fail "ps_to_http ended"
  sleep 0.02
done
[[ $clients == *"connected at"* ]] || fail "ps_to_http did not subscribe within 10 s"

start "$bin/file_to_http" --destination-post-url="http://127.0.0.1:$pubsub/pub" --batch=100 \
  --rate="$rate" "$input"
feeder=$started
while kill -0 "$feeder" 2>/dev/null; do
  poll
  show
  sleep 0.1
done
wait "$feeder" || fail "file_to_http failed"
published=$(sed -n 's/^file_to_http: .* \([0-9]*\) delivered.*/\1/p' "$work/file_to_http.err")
[ -n "$published" ] || fail "file_to_http did not say what it delivered"

# Wait for the stream to run dry, as long as it moves.
last_move=$(date +%s) seen=''
while :; do
  poll
  show
  [ "$puts" -ge "$published" ] && [ "$depth" = 0 ] && break
  if [ "$puts/$depth" != "$seen" ]; then
    seen=$puts/$depth last_move=$(date +%s)
  fi
  [ $(($(date +%s) - last_move)) -lt 15 ] || break # what is lost shows in the result
  sleep 0.05
done
[ -t 1 ] && echo

# The reader finishes what it holds, then prints what it computed.
kill -TERM "$reader"
wait "$reader" || fail "queuereader failed"
"$python" "$root/examples/clicks/report.py" "$published" "$work/queuereader.out" ||
  fail "the result does not add up"
