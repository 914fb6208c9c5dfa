#!/bin/sh
# git-otto: @NAME@. Written by `git otto hooks install`; `git otto hooks uninstall` takes it away again.
next() {
    @NEXT@
}
if command -v git-otto >/dev/null 2>&1; then
    git-otto hook @NAME@ "$@" || exit
else
    echo "git-otto is not on PATH: specs were not checked" >&2
fi
next "$@"
