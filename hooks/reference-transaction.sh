#!/bin/sh
# git-otto: @NAME@. Written by `git otto hooks install`; `git otto hooks uninstall` takes it away again.
next() {
    @NEXT@
}
# git asks at every step of every change of a ref, and only here can it be told no.
if [ "$1" != prepared ]; then
    next "$@"
    exit
fi
# Without another process while the lines are few: the shell reads a pipe byte by byte.
newline='
'
lines='' count=0
while [ "$count" -lt 16 ] && IFS= read -r line; do
    lines=$lines$line$newline
    count=$((count + 1))
done
[ "$count" -lt 16 ] || lines=$lines$(cat)$newline
case $lines in
*" refs/"[Oo][Tt][Tt][Oo]/* | *" refs/notes/"[Oo][Tt][Tt][Oo]/*)
    if command -v git-otto >/dev/null 2>&1; then
        printf '%s' "$lines" | git-otto hook @NAME@ "$@" || exit
    else
        echo "git-otto is not on PATH: specs were not checked" >&2
    fi
    ;;
esac
printf '%s' "$lines" | next "$@"
