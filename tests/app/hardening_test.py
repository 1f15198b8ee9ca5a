#!/usr/bin/env python3
"""The built program is hardened: hardening_test.py PROGRAM (needs readelf)."""
import shutil
import subprocess
import sys

READELF = shutil.which("readelf")
if not READELF:
    print("skipped: no readelf")
    sys.exit(77)


def readelf(*options):
    return subprocess.run(
        [READELF, "--wide", *options, sys.argv[1]], capture_output=True, text=True, check=True
    ).stdout


headers, dynamic, segments = readelf("--file-header"), readelf("--dynamic"), readelf("--segments")
symbols = readelf("--dyn-syms")
wanted = {
    "position independent (PIE)": "DYN" in headers and "PIE" in dynamic,
    "relocations read-only (RELRO)": "GNU_RELRO" in segments,
    "all of them bound at the start (BIND_NOW)": "BIND_NOW" in dynamic or "NOW" in dynamic,
    "stack not executable": "GNU_STACK" in segments
    and " RWE " not in next(line for line in segments.splitlines() if "GNU_STACK" in line),
    "stack protector": "__stack_chk_fail" in symbols,
    "fortified functions": "_chk@" in symbols.replace("__stack_chk_fail", ""),
}
missing = [what for what, there in wanted.items() if not there]
print("missing: " + ", ".join(missing) if missing else "hardened")
sys.exit(1 if missing else 0)
