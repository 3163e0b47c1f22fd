# What the examples' scripts share: programs that are started on free ports, and ended however the
# script ends. To be sourced by bash, from a script in a folder of examples/:
#
#   . "$(dirname "$0")/../pipeline.sh"
#   serve simplequeue; queue=$port
#   start "$bin/queuereader" --source="http://127.0.0.1:$queue" --task=count; reader=$started
#   finish_program "$reader" queuereader        # TERM, and it must end well
#
# Sets root, bin, examples, python, redis_server; work, a folder that is removed at the end.
# shellcheck shell=bash
set -u

example=$(basename "$(cd "$(dirname "$0")" && pwd)")
# shellcheck disable=SC2034  # for who sources this
{
  root=$(cd "$(dirname "$0")/../.." && pwd)
  bin=${RIVULET_BIN_DIR:-$root/build/bin}
  examples=${RIVULET_EXAMPLES_DIR:-$root/build/release/examples}
  python=$(command -v /usr/bin/python3 || command -v python3)
}
work=$(mktemp -d "${TMPDIR:-/tmp}/rivulet-$example.XXXXXX") || exit 1
pids=()

# Runs once, however the script ends.
end_all() {
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
trap end_all EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

fail() {
  local log
  # Ctrl-C reaches the programs, too: whoever was interrupted looks for no other reason. Bash does not
  # hear of it where a program in the foreground took it well; a server says it.
  sleep 0.2
  grep -qs ' draining ' "$work/pubsub.err" "$work/simplequeue.err" && exit 130
  [ -t 1 ] && printf '\r\033[K'
  echo "$example: $1" >&2
  for log in "$work"/*.err; do
    [ -s "$log" ] && { echo "--- ${log##*/}" >&2; tail -n 20 "$log" >&2; }
  done
  exit 1
}

# start PATH ARGUMENT...: runs a program in the background, which writes to $work/$name.out and .err;
# its pid is left in $started. NAME=name before it names one of several of a kind.
start() {
  local program=$1 name=${NAME:-${1##*/}}
  shift
  [ -x "$program" ] || fail "$program is not there: run make"
  "$program" "$@" >>"$work/$name.out" 2>>"$work/$name.err" </dev/null &
  started=$!
  pids+=("$started")
}

# serve NAME ARGUMENT...: starts a server on a free port, which is left in $port.
serve() {
  start "$bin/$1" --port=0 "${@:2}"
  await_port "$1"
}

# await_port NAME: until that program says where it listens; the port is left in $port.
await_port() {
  local line=''
  for _ in $(seq 1000); do
    line=$(grep -m 1 '^listening on ' "$work/$1.out" 2>/dev/null) && break
    kill -0 "$started" 2>/dev/null || fail "$1 did not start"
    sleep 0.02
  done
  [ -n "$line" ] || fail "$1 did not say where it listens within 20 s"
  # shellcheck disable=SC2034
  port=${line##*:}
}

# serve_redis: starts a Redis of our own that nobody else sees; its URL is left in $store.
serve_redis() {
  local server
  server=$(command -v redis-server) || fail "redis-server is not installed: apt-get install redis-server"
  start "$server" --port 0 --unixsocket "$work/redis.sock" --dir "$work" --save '' --appendonly no
  for _ in $(seq 1000); do
    [ -S "$work/redis.sock" ] && break
    kill -0 "$started" 2>/dev/null || fail "redis-server did not start"
    sleep 0.02
  done
  [ -S "$work/redis.sock" ] || fail "redis-server did not listen within 20 s"
  # shellcheck disable=SC2034
  store=redis+unix://$work/redis.sock
}

# until_so SECONDS WHAT COMMAND...: until the command succeeds.
until_so() {
  local seconds=$1 end=$(($(date +%s) + $1)) what=$2
  shift 2
  until "$@"; do
    [ "$(date +%s)" -lt "$end" ] || fail "$what: not within $seconds s"
    sleep 0.05
  done
}

# finish_program PID NAME: ends it by TERM; it must end well.
finish_program() {
  kill -TERM "$1"
  wait "$1" || fail "$2 failed"
}

ask() { curl -sS --max-time 10 "http://127.0.0.1:$1"; }
