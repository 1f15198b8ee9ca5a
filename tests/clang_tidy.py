#!/usr/bin/env python3
"""Runs clang-tidy (.clang-tidy) over the product's sources, as many at once as there are processors.

A file that was clean is not looked at again before it changes, or a header of the tree that it includes, or the
checks: its name is kept in build/clang_tidy. From nothing it takes some 1,000 s of processor time, most of it for reading headers.

    tests/clang_tidy.py                 all
    tests/clang_tidy.py --recent        what the last commit and the working tree changed
    tests/clang_tidy.py FILE…
"""
import concurrent.futures
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "release"
CLEAN = ROOT / "build" / "clang_tidy"
OLDEST = 16  # the first that reads the standard library's C++23
SKIPPED = 77  # for CTest


def clang_tidy():
    """The program and what it says of itself."""
    for name in ("clang-tidy", *(f"clang-tidy-{release}" for release in range(25, OLDEST - 1, -1))):
        if program := shutil.which(name):
            version = subprocess.run([program, "--version"], capture_output=True, text=True).stdout
            if (found := re.search(r"version (\d+)", version)) and int(found[1]) >= OLDEST:
                return program, version
    return None, ""


def command_of(entry):
    """What Clang needs of GCC's command: where headers are, what is defined, and the language."""
    words = shlex.split(entry["command"])
    kept = ["clang++", "-w", "-std=c++2b", "-D__cpp_concepts=202002L"]
    for word, following in zip(words, [*words[1:], ""]):
        if word.startswith(("-I", "-D")):
            kept.append(word)
        elif word == "-isystem":
            kept += [word, following]
    return {**entry, "command": shlex.join([*kept, "-c", entry["file"]])}


def commands():
    """By file of the product, relative to the tree."""
    entries = {}
    for entry in json.loads((BUILD / "compile_commands.json").read_text()):
        name = os.path.relpath(entry["file"], ROOT)
        if re.match(r"(app|bench|db|engine|protocol)/", name):
            entries[name] = command_of(entry)
    return entries


def inputs(name, known):
    """The file and all headers of the tree that it includes, by name; known: those that were found before."""
    if name not in known:
        known[name] = set()  # headers do not include each other in a circle; if they did, it would end here
        text = (ROOT / name).read_text()
        direct = {found for found in re.findall(r'#include "([^"]+)"', text) if (ROOT / found).exists()}
        known[name] = {name}.union(*(inputs(found, known) for found in direct))
    return known[name]


def stamp(name, known, version):
    key = hashlib.sha256(version.encode() + (ROOT / ".clang-tidy").read_bytes())
    for path in sorted(inputs(name, known)):
        key.update((ROOT / path).read_bytes())
    return CLEAN / key.hexdigest()


def recent(entries, known):
    """Files that the last commit or the working tree changed, themselves or by a header."""
    command = ["git", "diff", "--name-only", "HEAD~1"]
    changed = set(subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.split())
    sources = [name for name in entries if name in changed]
    # A header that everybody includes is looked at with the first few that include it.
    for header in (name for name in changed if name.endswith(".h")):
        sources += [name for name in entries if header in inputs(name, known)][:2]
    return list(dict.fromkeys(sources))


def main():
    program, version = clang_tidy()
    if program is None:
        print(f"left out: clang-tidy {OLDEST} or newer is not installed")
        return SKIPPED
    entries, known = commands(), {}
    wanted = [os.path.relpath(name, ROOT) for name in sys.argv[1:]] or list(entries)
    if sys.argv[1:] == ["--recent"]:
        wanted = recent(entries, known)
    CLEAN.mkdir(parents=True, exist_ok=True)
    database = CLEAN / "compile_commands.json"
    database.write_text(json.dumps(list(entries.values())))
    stamps = {name: stamp(name, known, version) for name in wanted}
    changed = [name for name in wanted if not stamps[name].exists()]

    def check(name):
        done = subprocess.run([program, "-p", CLEAN, "--quiet", name], cwd=ROOT, text=True, preexec_fn=lambda: os.nice(10),
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode == 0:
            stamps[name].touch()
            return ""
        return done.stdout.replace(f"{ROOT}/", "")

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        findings = sorted({line for text in pool.map(check, changed) for line in text.splitlines() if ": error: " in line})
    print(*findings, sep="\n")
    print(f"clang-tidy: {len(wanted)} files, {len(changed)} looked at, {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
