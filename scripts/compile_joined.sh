#!/bin/sh
# Compiles sources that joined.py put together; where they do not compile as one, each by itself.
#
#   scripts/compile_joined.sh JOINED.cc OBJECT COMPILER ARGUMENT...
#
# Beside JOINED.cc stands what is included before it, precompiled.h.
set -u
joined=$1
object=$2
shift 2
# g++ warns of a type with a member from a namespace without a name wherever it is not in the main file.
case "$*" in *clang*) quiet= ;; *) quiet=-Wno-subobject-linkage ;; esac
# shellcheck disable=SC2086 # one word or none
if "$@" $quiet -include "$(dirname "$joined")/precompiled.h" -MMD -MP -MT "$object" -MF "${object%.o}.d" -c "$joined" -o "$object" 2>"$object.errors"; then
  cat "$object.errors" >&2
  rm -f "$object.errors"
  exit 0
fi

parts=
dependencies=
# shellcheck disable=SC2013 # names without spaces
for source in $(sed -n 's/^#include "\(.*\.cc\)"$/\1/p' "$joined"); do
  part=${object%.o}.$(echo "${source%.cc}" | sed 's|/|__|g')
  "$@" -MMD -MP -MT "$object" -MF "$part.d" -c "$source" -o "$part.o" || exit 1
  # A source that goes is no error; the joined file changes with it.
  echo "$source:" >>"$part.d"
  parts="$parts $part.o"
  dependencies="$dependencies $part.d"
done
echo "  $joined compiles only one by one: $(grep -m 1 ': error: ' "$object.errors")"
# shellcheck disable=SC2086 # lists
ld -r -o "$object" $parts && cat $dependencies >"${object%.o}.d" && rm -f $parts $dependencies "$object.errors"
