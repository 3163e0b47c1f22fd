#!/usr/bin/env bash
# Three readers share one queue and one histogram in Redis; one of them is killed with messages in hand.
# The histogram is exactly that of the numbers.
#
#   random numbers -> simplequeue -> queuereader x 3 -> Redis
#
#   examples/histogram_many_readers/run.sh
#
# COUNT is how many numbers there are (200000). Redis is started by the script, for itself. Exits 1
# unless what is in Redis is what a plain program counts.
count=${COUNT:-200000}
# shellcheck source=examples/pipeline.sh
. "$(dirname "$0")/../pipeline.sh"

serve_redis
mkdir "$work/queue"
serve simplequeue --data-path="$work/queue" --sync=none
queue=$port
"$root/examples/tutorial/random_numbers" "$count" >"$work/numbers"
curl -sS --fail --data-binary "@$work/numbers" "http://127.0.0.1:$queue/mput" >"$work/put.out" ||
  fail "the queue did not take the numbers"

readers=()
for i in 1 2 3; do
  NAME=reader$i start "$bin/queuereader" --source="http://127.0.0.1:$queue" --lease=2s --mget-items=500 \
    --store="$store" --task=histogram:field=x,low=0,high=1,buckets=10,store=shared,prefix=numbers
  readers+=("$started")
done

# Redis has one hash, numbers: the number of a bucket, and how many there are.
in_redis() { redis-cli -s "$work/redis.sock" hvals numbers | awk '{ sum += $1 } END { print sum + 0 }'; }
a_fifth_is_counted() { [ "$(in_redis)" -ge $((count / 5)) ]; }
until_so 30 "a fifth of the numbers was counted" a_fifth_is_counted
{ # bash tells of it where it sees the end
  kill -KILL "${readers[0]}"
  wait "${readers[0]}"
} 2>/dev/null
killed_at=$(in_redis)

queue_is_empty() {
  local stats
  stats=$(ask "$queue/stats?format=json") || fail "simplequeue does not answer"
  [[ ! $stats =~ \"(depth|in_flight)\":\ *[1-9] ]]
}
until_so 60 "the queue is empty" queue_is_empty
for i in 2 3; do finish_program "${readers[$((i - 1))]}" "reader$i"; done

echo "reader 1 was killed when $killed_at of $count numbers were counted"
redis-cli -s "$work/redis.sock" --json hgetall numbers >"$work/found"
"$python" "$root/examples/histogram_many_readers/report.py" "$work/found" "$work/numbers" ||
  fail "what is in Redis is not what a plain program counts"
