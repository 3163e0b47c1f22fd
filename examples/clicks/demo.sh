#!/usr/bin/env bash
# Plays click events through the whole pipeline, shows it at work, then what it found:
#
#   file_to_http -> pubsub -> ps_to_http -> simplequeue -> queuereader
#
#   examples/clicks/demo.sh [FILE]
#
# FILE holds one JSON object a line, and may be compressed (.gz, .zst). Without it: ../shared/data/usagov_clicks.jsonl where that is
# present, else COUNT generated clicks. RATE is messages a second (0: as fast as taken).
# STORE=redis keeps the statistics in a Redis that it starts for itself. STAY is for how many seconds
# the live page is up when all is done. Pictures are left in OUT (demo-out).
# Exits 1 unless everything that was published was processed. Stops every process that it started.
rate=${RATE:-1000} out=${OUT:-demo-out} stay=${STAY:-0}
# shellcheck source=examples/pipeline.sh
. "$(dirname "$0")/../pipeline.sh"

pictures='ages age countries referrers links'

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
case ${STORE:-memory} in
  memory) store=memory: where='' ;;
  redis) serve_redis; where=,store=shared ;;
  *) fail "STORE '$STORE' must be memory or redis" ;;
esac
start "$bin/queuereader" --source="http://127.0.0.1:$queue" --failed-message-dir="$work/failed" \
  --task=count --task="moments:field=t,minus=hc,name=age$where" \
  --task="histogram:field=t,minus=hc,scale=log,low=1,high=1e9,per_decade=3,name=ages$where" \
  --task="top:field=c,k=1000,name=countries$where" --task="top:field=r,k=1000,name=referrers$where" \
  --task="graph:from=r,to=u,name=links$where" \
  --store="$store" --http-address=127.0.0.1:0 \
  --sleeptime-queue-empty=50ms --summary-format=json --stats-interval=200ms
reader=$started
await_port queuereader
page=$port
echo "pubsub on port $pubsub -> ps_to_http -> simplequeue on port $queue -> queuereader${where:+ -> Redis}"
echo "live page: http://127.0.0.1:$page/"

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

# What the reader has in hand is in no picture yet.
in_hand() {
  local stats
  stats=$(ask "$queue/stats?format=json") || fail "simplequeue does not answer"
  [[ $stats =~ \"in_flight\":\ *[1-9] ]]
}

# Wait for the stream to run dry, as long as it moves.
last_move=$(date +%s) seen=''
while :; do
  poll
  show
  [ "$puts" -ge "$published" ] && [ "$depth" = 0 ] && ! in_hand && break
  if [ "$puts/$depth" != "$seen" ]; then
    seen=$puts/$depth last_move=$(date +%s)
  fi
  [ $(($(date +%s) - last_move)) -lt 15 ] || break # what is lost shows in the result
  sleep 0.05
done
[ -t 1 ] && echo

mkdir -p "$out" || fail "OUT '$out' cannot be made"
for picture in $pictures; do
  ask "$page/tasks/$picture?view=svg" >"$out/$picture.svg" || fail "there is no picture of $picture"
done
if [ "$stay" -gt 0 ]; then
  echo "the live page stays up for $stay s: http://127.0.0.1:$page/"
  # In the background, as bash obeys no TERM while it waits for a command.
  sleep "$stay" &
  pids+=("$!")
  wait "$!"
fi

# The reader finishes what it holds, then prints what it computed.
finish_program "$reader" queuereader
# What it says before is where its page is.
grep -v '^listening on ' "$work/queuereader.out" >"$work/summary"
"$python" "$root/examples/clicks/report.py" "$published" "$work/summary" "$out" ||
  fail "the result does not add up"
