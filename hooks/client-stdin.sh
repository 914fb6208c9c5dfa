#!/bin/sh
# git-otto: @NAME@. Written by `git otto hooks install`; `git otto hooks uninstall` takes it away again.
next() {
    @NEXT@
}
# Both read what git says.
lines=$(cat)
said() {
    [ -z "$lines" ] || printf '%s\n' "$lines"
}
if command -v git-otto >/dev/null 2>&1; then
    said | git-otto hook @NAME@ "$@" || exit
else
    echo "git-otto is not on PATH: specs were not checked" >&2
fi
said | next "$@"
