#!/usr/bin/env bash
# A simulated day of a shop whose featured picture is chosen by a bandit that learns from its
# visitors' clicks, with all of our parts between the browser and the next pick:
#
#   browser, crowd -> collector -> pubsub -> ps_to_http -> simplequeue -> bandit -> shop
#
#   examples/shop/demo.sh [--seconds=N]      the day takes N seconds (DAY, 60), then all is ended
#
# From the environment: VISITORS (20000) of the day. STORE: memory, file, or redis, of which it starts
# one for itself. DRIFT=1: tastes change at noon. REFRESH=1000: a catalogue of 100 pictures, of which
# 10 are in the set, and after so many impressions half of them make way for others. SEED (1) of rates
# and visitors. Pictures of what the bandit knows, at four times of the day, are left in OUT
# (demo-out). STAY: for so many seconds the shop stays open when the day is over.
# Exits 1 unless every event that was taken was learned, and once (with STAY a browser may add its own),
# nearly all visitors were answered by the bandit's choice, and every process lived to the end. Stops
# every process that it started.
day=${DAY:-60} visitors=${VISITORS:-20000} out=${OUT:-demo-out} stay=${STAY:-0} seed=${SEED:-1}
drift=${DRIFT:-} refresh=${REFRESH:-0} pictures=10 arms=10 rates=one-best alone='' names=()
# shellcheck source=examples/pipeline.sh
. "$(dirname "$0")/../pipeline.sh"

usage() {
  echo "$example: $1" >&2
  exit 2
}
for option in "$@"; do
  case $option in
    --seconds=*) day=${option#*=} ;;
    *) usage "'$option' must be --seconds=N" ;;
  esac
done
for number in "--seconds=$day" "VISITORS=$visitors" "REFRESH=$refresh" "STAY=$stay" "SEED=$seed"; do
  [[ ${number#*=} =~ ^[0-9]{1,9}$ ]] || usage "${number%%=*} '${number#*=}' must be a whole number"
done
day=$((10#$day)) visitors=$((10#$visitors)) refresh=$((10#$refresh)) stay=$((10#$stay)) seed=$((10#$seed))
[[ $drift =~ ^[01]?$ ]] || usage "DRIFT '$drift' must be 0 or 1"
[ "$drift" = 1 ] || drift=
[ "$stay" -gt 0 ] || alone=--alone
[ "$day" -gt 0 ] || usage "--seconds '$day' must be at least 1"
[ "$visitors" -gt 0 ] || usage "VISITORS '$visitors' must be at least 1"
if [ "$refresh" -gt 0 ]; then
  pictures=100 rates=beta
elif [ -n "$drift" ]; then
  # What was learned before noon is forgotten in rounds; what drops out comes back.
  arms=8 refresh=$((visitors / 8 > 50 ? visitors / 8 : 50))
fi
case ${STORE:-memory} in
  memory) store=memory: ;;
  file) store=file:$work/store ;;
  redis) serve_redis && names=(redis-server) ;;
  *) usage "STORE '$STORE' must be memory, file or redis" ;;
esac
[ -x "$examples/shop/shop" ] || fail "$examples/shop/shop is not there: run make examples"

serve pubsub
pubsub=$port
serve simplequeue
queue=$port
start "$bin/ps_to_http" --pubsub-url="http://127.0.0.1:$pubsub/sub?multipart=0" \
  --destination-post-url="http://127.0.0.1:$queue/mput" --batch=100
# The shop is of another origin than the collector; * stands for whatever name it is opened by.
serve collector --mapping="$root/examples/shop/shop.mapping" --allow-origin='*' \
  --destination-post-url="http://127.0.0.1:$pubsub/pub"
collector=$port
"$examples/shop/shop" --list --pictures="$pictures" >"$work/catalogue" || fail "the shop failed"
serve bandit --store="$store" --source="http://127.0.0.1:$queue" --sleeptime-queue-empty=20ms \
  --failed-message-dir="$work/failed" \
  --task="bandit:catalogue=$work/catalogue,arms=$arms,refresh=$refresh,seed=$seed"
api=$port bandit=$started
start "$examples/shop/shop" --port=0 --pictures="$pictures" --seed="$seed" \
  --api="http://127.0.0.1:$api" --collector="http://127.0.0.1:$collector"
await_port shop
names+=(pubsub simplequeue ps_to_http collector bandit shop)
shop=$port
echo "collector on port $collector -> pubsub -> ps_to_http -> simplequeue -> bandit on $store"
echo "the shop:         http://127.0.0.1:$shop/"
echo "what it learns:   http://127.0.0.1:$api/arms"

# A message that is published before the bridge listens goes to nobody.
subscribed() { [[ $(ask "$pubsub/clients") == *"connected at"* ]]; }
until_so 10 "ps_to_http did not subscribe" subscribed
# The set is filled.
filled() { [[ $(ask "$api/item" 2>/dev/null) == *-* ]]; }
until_so 10 "bandit has no pictures" filled

# In the background, as whoever sends TERM to this script alone should not have to wait for them.
status=0
"$examples/shop/crowd" --shop="http://127.0.0.1:$shop" --collector="http://127.0.0.1:$collector" \
  --api="http://127.0.0.1:$api" --visitors="$visitors" --day="${day}s" --rates="$rates" --seed="$seed" \
  --out="$out" ${drift:+--drift} $alone &
pids+=("$!")
wait "$!" || status=$?
[ "$status" -lt 128 ] || exit "$status"
for at in "${!names[@]}"; do
  kill -0 "${pids[at]}" 2>/dev/null || fail "${names[at]} has ended before the day was over"
done
[ "$status" = 0 ] || fail "the result does not add up"
if [ "$stay" -gt 0 ]; then
  echo "the shop stays open for $stay s: http://127.0.0.1:$shop/"
  sleep "$stay" &
  pids+=("$!")
  wait "$!"
fi
# It finishes what it has in hand.
finish_program "$bandit" bandit
