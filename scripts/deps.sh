#!/bin/sh
# Installs the Debian packages that a group of targets needs, where they are missing.
#
#   scripts/deps.sh [--quiet] GROUP...     GROUP: build test redis lint fuzz bench bench-peers
#
# It says what it installs and why, and works as root or with sudo; without either it prints the
# command to run and exits 1. --quiet says nothing when nothing is missing.
set -eu

# One line a package: what it is for.
packages() {
  case $1 in
    build) echo "
g++ compiles
make builds
libevent-dev is the event loop
libcurl4-openssl-dev makes outgoing HTTP requests
libhiredis-dev speaks to Redis
rapidjson-dev parses JSON
libfmt-dev formats text
libxxhash-dev checks what the journal reads back
libwslay-dev reads WebSocket frames
libzstd-dev writes and reads .zst
zlib1g-dev writes and reads .gz
libre2-dev matches filter patterns in linear time
libssl-dev hashes: WebSocket handshakes, fields that are made anonymous
python3 formats the demo's result and runs the tests
curl asks the daemons in the demo and the examples" ;;
    test) echo "
doctest-dev is the unit test framework
clang-14 compiles what sanitizers watch in two thirds of the time of g++
libclang-rt-14-dev brings the sanitizers that it links
mandoc reads the man pages
python3-websockets is a WebSocket client that we did not write
chromium opens the status pages
iproute2 makes networks that fail
zstd reads the files that we compress, and compresses those that we read
gzip does the same with the other format
redis-server is what readers share their state in
graphviz draws exported graphs
python3-networkx reads exported graphs, and knows their PageRank" ;;
    redis) echo "
redis-server keeps what readers share" ;;
    lint) echo "
clang-format-14 checks the format
clang-tidy-14 reads the code
shellcheck reads the shell scripts
mandoc reads the man pages
doctest-dev is included by what clang-tidy reads" ;;
    fuzz) echo "
clang-14 brings libFuzzer
libclang-rt-14-dev brings its run-time" ;;
    bench) echo "
wrk generates HTTP load
libbenchmark-dev times the algorithms" ;;
    bench-peers) echo "
nginx-light is a peer
libnginx-mod-nchan is a peer
nats-server is a peer
redis-server is a peer
redis-tools asks it as fast as it can
libboost-dev is a peer of the moments
beanstalkd is a peer" ;;
    *) echo "deps.sh: group '$1' must be one of build, test, redis, lint, fuzz, bench, bench-peers" >&2
       exit 2 ;;
  esac
}

quiet=
if [ "${1:-}" = --quiet ]; then quiet=1; shift; fi
[ $# -gt 0 ] || { echo "deps.sh: name a group: build, test, redis, lint, fuzz, bench, bench-peers" >&2; exit 2; }

if ! command -v dpkg-query >/dev/null; then
  [ -n "$quiet" ] || echo "not a Debian system: install what README.md lists under 'What it stands on'"
  exit 0
fi

installed=$(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' | sed -n 's/^ii  *//p')
missing=
reasons=
for group in "$@"; do
  list=$(packages "$group")
  while read -r package reason; do
    [ -n "$package" ] || continue
    case " $missing " in *" $package "*) continue ;; esac
    # nginx in any variant will do.
    [ "$package" = nginx-light ] && command -v nginx >/dev/null && continue
    if ! printf '%s\n' "$installed" | grep -qxF "$package"; then
      missing="$missing $package"
      reasons="$reasons  $package $reason
"
    fi
  done <<END
$list
END
done

if [ -z "$missing" ]; then
  [ -n "$quiet" ] || echo "nothing to install for: $*"
  exit 0
fi

echo "installing Debian packages:"
printf '%s' "$reasons"
if [ "$(id -u)" = 0 ]; then
  sudo=
elif command -v sudo >/dev/null; then
  sudo=sudo
else
  echo "deps.sh: neither root nor sudo here; as root, run:" >&2
  echo "  apt-get update && apt-get install -y --no-install-recommends$missing" >&2
  exit 1
fi
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get update -q >/dev/null
# shellcheck disable=SC2086  # a list of names
$sudo apt-get install -y -q --no-install-recommends $missing >/dev/null
echo "installed:$missing"
