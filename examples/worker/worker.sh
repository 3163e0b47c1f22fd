#!/bin/sh
# worker.sh URL COMMAND...    leases messages of a simplequeue, gives each to COMMAND, finishes it.
#
# The message is COMMAND's standard input. When COMMAND fails the message comes again in 10 s; when
# this worker is killed it comes again as soon as its lease ends. From the environment: QUEUE
# (default), LEASE (30s, which the work must not outlast), WAIT (20s, for a message to come).
[ $# -ge 2 ] || { sed -n '2,7s/^# //p' "$0"; exit 2; }
url=$1 queue=queue=${QUEUE:-default}; shift
message=$(mktemp); trap 'rm -f "$message"' EXIT; trap exit INT TERM
while :; do
  receipt=$(curl -fsS -o "$message" -w '%header{x-receipt}' \
    "$url/get?$queue&lease=${LEASE:-30s}&wait=${WAIT:-20s}") || { sleep 1; continue; }
  [ -n "$receipt" ] || continue
  if "$@" <"$message"; then curl -fsS "$url/finish?receipt=$receipt"
  else curl -fsS "$url/requeue?receipt=$receipt&delay=10s"; fi
done
