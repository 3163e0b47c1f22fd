#!/usr/bin/env bash
# Finds the secret mean and variance of a stream of random numbers, by looking at the numbers alone:
#
#   random_to_pubsub -> pubsub -> ps_to_http -> simplequeue -> queuereader
#
#   examples/mean_variance/run.sh
#
# SEED draws the secret and the numbers (1), COUNT is how many there are (20000). Exits 1 unless what
# was found is within five standard errors of the secret.
count=${COUNT:-20000} seed=${SEED:-1}
# shellcheck source=examples/pipeline.sh
. "$(dirname "$0")/../pipeline.sh"

# The secret: a mean in -100..100, a variance in 1..100.
RANDOM=$seed
mean=$((RANDOM % 201 - 100)) variance=$((RANDOM % 100 + 1))

serve pubsub
pubsub=$port
serve simplequeue
queue=$port
start "$bin/ps_to_http" --pubsub-url="http://127.0.0.1:$pubsub/sub?multipart=0" \
  --destination-post-url="http://127.0.0.1:$queue/mput" --batch=500
listening() { [[ $(ask "$pubsub/clients") == *"connected at"* ]]; }
until_so 10 "ps_to_http subscribed" listening
start "$bin/queuereader" --source="http://127.0.0.1:$queue" --mget-items=500 \
  --task=moments:field=number --summary-format=json --stats-interval=100ms
reader=$started

"$root/examples/random_to_pubsub" --url="http://127.0.0.1:$pubsub" --delay=0 --count="$count" \
  --seed="$seed" --mean="$mean" --variance="$variance" >"$work/published" || fail "publishing failed"
all_read() { grep -q "INFO $count messages" "$work/queuereader.err"; }
until_so 30 "all $count numbers were read" all_read
finish_program "$reader" queuereader

"$python" "$root/examples/mean_variance/report.py" "$work/queuereader.out" "$mean" "$variance" ||
  fail "what was found is not what was hidden"
