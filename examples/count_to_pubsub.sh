#!/bin/sh
# Counts 1, 2, 3, ... to a pubsub: {"number":1}, {"number":2}, ... one message each.
#
#   examples/count_to_pubsub.sh [--url=http://127.0.0.1:8080] [--delay=1] [--count=0] [--start=1]
#
# --delay is in seconds, --count=0 goes on for ever. Exits 1 when the pubsub does not take one.
set -eu

url=http://127.0.0.1:8080 delay=1 count=0 start=1
for option in "$@"; do
  case $option in
    --url=?*) url=${option#*=} ;;
    --delay=?*) delay=${option#*=} ;;
    --count=?*) count=${option#*=} ;;
    --start=?*) start=${option#*=} ;;
    --help) sed -n '2,6s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "count_to_pubsub: option '$option' must be --url=, --delay=, --count= or --start=" >&2
       exit 2 ;;
  esac
done
case $count$start in *[!0-9]*)
  echo "count_to_pubsub: --count=$count and --start=$start must be whole numbers" >&2; exit 2 ;;
esac

number=$start
while [ "$count" = 0 ] || [ "$number" -lt $((start + count)) ]; do
  answer=$(curl -sS --fail -d "{\"number\":$number}" "$url/pub") || exit 1
  echo "$number: $answer"
  number=$((number + 1))
  [ "$delay" = 0 ] || sleep "$delay"
done
