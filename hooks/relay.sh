#!/bin/sh
# git-otto: @NAME@ as before. Written by `git otto hooks install`; `git otto hooks uninstall` takes it away again.
next() {
    @NEXT@
}
next "$@"
