#!/bin/sh
# Runs a compiler. What ptxas reports of kernels goes to <object>.ptxas, all other words to stderr.
set -u
object=
previous=
for argument in "$@"; do
  [ "$previous" = -o ] && object=$argument
  previous=$argument
done

words=$object.words
"$@" 2>"$words"
status=$?
report='^ptxas info|^ +[0-9]+ bytes stack frame'
grep -E "$report" "$words" >"$object.ptxas"
grep -vE "$report" "$words" >&2
rm -f "$words"
exit $status
