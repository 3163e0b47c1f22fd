#!/bin/sh
# run.sh    starts a pubsub that keeps its messages on disk, and serves the page beside it.
#
# When pubsub is killed it is started again; what it had kept is there. Ends both by Ctrl-C. From the
# environment: PUBSUB_PORT (8080), PAGE_PORT (8000), DATA (the folder for what is kept: live_page_data
# in the current one), PYTHON (python3), RIVULET_BIN_DIR (build/bin).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
bin=${RIVULET_BIN_DIR:-$here/../../build/bin}
data=${DATA:-live_page_data}
port=${PUBSUB_PORT:-8080}
server=0 pubsub=0
stop() {
  trap - EXIT
  for pid in "$server" "$pubsub"; do [ "$pid" = 0 ] || kill "$pid" 2>/dev/null || :; done
  wait
}
trap stop EXIT
trap 'exit 0' INT TERM
mkdir -p "$data"

# await FILE PATTERN: the first group of the pattern, once it is printed there; no longer than 10 s.
await() {
  for _ in $(seq 200); do
    if grep -q "$2" "$1"; then sed -n "s|.*$2.*|\1|p" "$1" | head -n 1; return; fi
    sleep 0.05
  done
  echo "run.sh: this did not start:" >&2
  cat "$data"/*.log >&2
  return 1
}

"${PYTHON:-python3}" -u -m http.server --bind 127.0.0.1 --directory "$here" "${PAGE_PORT:-8000}" \
  >"$data/page.log" 2>&1 &
server=$!
page=$(await "$data/page.log" '(\(http:.*[0-9]\)/)')

first=1
while :; do
  : >"$data/pubsub.out"
  # The page comes from another origin than the messages, so pubsub must be told to let it read them.
  "$bin/pubsub" --port="$port" --data-path="$data/journal" --pid-file="$data/pubsub.pid" \
    --retain-time=1h --allow-origin="$page" >"$data/pubsub.out" 2>>"$data/pubsub.log" &
  pubsub=$!
  where=$(await "$data/pubsub.out" 'listening on \(.*\)')
  port=${where##*:}
  [ -z "$first" ] || echo "publish to http://$where
open $page/#http://$where"
  first=''
  wait "$pubsub" || echo "pubsub has ended with $?: starting it again"
done
