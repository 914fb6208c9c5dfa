#!/bin/sh
# git-otto: @NAME@. Written by `git otto hooks install --server`; `git otto hooks uninstall` takes it away again.
next() {
    @NEXT@
}
if ! command -v git-otto >/dev/null 2>&1; then
    echo "git-otto is not on this server's PATH: nothing is taken without its check" >&2
    exit 1
fi
git-otto hook @NAME@ "$@" || exit
next "$@"
