#!/usr/bin/env python3
"""Fails when a dependency's licence is not one that a program under MIT OR Apache-2.0 may be shipped with."""

import json
import re
import subprocess
import sys

ALLOWED = {
    "MIT", "MIT-0", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0",
    "CC0-1.0", "ISC", "Unicode-3.0", "Unlicense", "Zlib",
}
# The cache of packs in gix: MPL-2.0 binds changes to its own files, which are not changed here. The list of root
# certificates, for systems without one of their own: data, not code.
EXCEPTIONS = {"uluru": "MPL-2.0", "webpki-root-certs": "CDLA-Permissive-2.0"}


def satisfied(expression):
    """Whether an SPDX expression can be satisfied with the allowed licences (`/` is the old way to write OR)."""
    tokens = re.findall(r"\(|\)|[^\s()]+", expression.replace("/", " OR "))
    place = 0

    def term():
        nonlocal place
        token = tokens[place]
        place += 1
        if token == "(":
            value = either()
            place += 1
            return value
        if tokens[place:place + 1] == ["WITH"]:
            token += " WITH " + tokens[place + 1]
            place += 2
        return token in ALLOWED

    def both():
        nonlocal place
        value = term()
        while tokens[place:place + 1] == ["AND"]:
            place += 1
            value = term() and value
        return value

    def either():
        nonlocal place
        value = both()
        while tokens[place:place + 1] == ["OR"]:
            place += 1
            value = both() or value
        return value

    return either()


def main():
    for expression, expected in [
        ("MIT", True), ("GPL-3.0", False), ("GPL-3.0 OR MIT", True), ("(MIT OR GPL-3.0) AND GPL-3.0", False),
        ("MIT/Apache-2.0", True), ("Apache-2.0 WITH LLVM-exception AND Zlib", True), ("MIT AND MPL-2.0", False),
    ]:
        assert satisfied(expression) is expected, expression
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--all-features"]
    packages = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)["packages"]
    bad = [
        f"{p['name']} {p['version']}: {p['license'] or 'no licence named'}"
        for p in packages
        if not (p["license"] and satisfied(p["license"])) and EXCEPTIONS.get(p["name"]) != p["license"]
    ]
    if bad:
        sys.exit("licences that are not allowed:\n" + "\n".join(bad))
    print(f"{len(packages)} packages, every licence allowed")


main()
