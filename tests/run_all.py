#!/usr/bin/env python3
"""Builds and runs all the tests; the last line is `N passed, M failed`.

One stage after the other, each with its own build:
  release   everything: unit tests, the real program, conformance, benchmarks in smoke mode, tidiness
  fuzz      each fuzz target for a few seconds, where there is a Clang that can build them
  asan      the unit tests under AddressSanitizer and UndefinedBehaviorSanitizer
  tsan      the tests of engine and database, where threads meet, under ThreadSanitizer

`./test` runs the first two; `./test all` runs all of them, as continuous integration does.
`./test asan` runs one stage, `./test release -- -R protocol` hands the rest to ctest.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass
class Stage:
    preset: str
    targets: list[str]  # none: all
    ctest: list[str]
    toolchain: str = ""  # told by this file whether it is there; without it the stage is left out
    always: bool = False  # not only when it is asked for


STAGES = [
    Stage("release", [], [], always=True),
    Stage("fuzz", [], [], toolchain="tests/fuzz/clang.cmake", always=True),
    Stage("asan", ["tests_engine", "tests_db", "tests_protocol", "tests_bench"], ["-L", "unit"]),
    Stage("tsan", ["tests_engine", "tests_db"], ["-L", "threads"]),
]


@dataclass
class Count:
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def __str__(self):
        text = f"{self.passed} passed, {self.failed} failed"
        return text + (f", {self.skipped} skipped" if self.skipped else "")


def of_junit_case(case):
    """Works for ctest's and for GoogleTest's reports."""
    if case.find("failure") is not None or case.find("error") is not None:
        return Count(failed=1)
    if case.find("skipped") is not None or case.get("status") in ("notrun", "disabled"):
        return Count(skipped=1)
    return Count(passed=1)


def of_program(case, report):
    """A test program counts with each of its tests; one that broke down counts as failed, too."""
    count = Count()
    try:
        for test in ElementTree.parse(report).iter("testcase"):
            if not test.get("name").startswith("DISABLED_"):  # what another test starts
                count.add(of_junit_case(test))
    except ElementTree.ParseError:
        pass
    if of_junit_case(case).failed and not count.failed:
        count.failed = 1
    return count


def count_results(junit, reports):
    count = Count()
    try:
        cases = list(ElementTree.parse(junit).iter("testcase"))
    except (OSError, ElementTree.ParseError):
        return Count(failed=1)
    for case in cases:
        report = reports / f"{case.get('name')}.xml"
        count.add(of_program(case, report) if report.exists() else of_junit_case(case))
    return count if cases else Count(failed=1)


def lacks(stage):
    """What is missing for the stage; empty: nothing."""
    if not stage.toolchain:
        return ""
    probe = subprocess.run(["cmake", "-P", stage.toolchain], cwd=ROOT, capture_output=True, text=True)
    told = re.search(r"needs .*?(?=\n\n|\Z)", probe.stderr, re.S)
    return "" if probe.returncode == 0 else " ".join((told[0] if told else probe.stderr).split())


def run_stage(stage, ctest_arguments):
    directory = ROOT / "build" / stage.preset
    if subprocess.run([ROOT / ".ci" / "build", stage.preset, *stage.targets]).returncode != 0:
        print(f"{stage.preset}: the build failed", flush=True)
        return Count(failed=1)
    reports = directory / "reports"
    shutil.rmtree(reports, ignore_errors=True)
    reports.mkdir()
    junit = reports / "ctest.junit"
    ended = subprocess.run(
        ["ctest", "--output-on-failure", "--parallel", str(os.cpu_count()), "--output-junit", junit]
        + stage.ctest + ctest_arguments,
        cwd=directory,
        stdin=subprocess.DEVNULL,
    )
    count = count_results(junit, reports)
    # Something went wrong that no report tells of: a program that was not built, for instance.
    if ended.returncode != 0 and not count.failed:
        count.failed = 1
    return count


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("stage", nargs="*", choices=[[], "all", *(s.preset for s in STAGES)], metavar="stage")
    own = sys.argv[1:]
    ctest_arguments = []
    if "--" in own:
        split = own.index("--")
        own, ctest_arguments = own[:split], own[split + 1:]
    wanted = parser.parse_args(own).stage
    total, lines = Count(), []
    for stage in STAGES:
        if not (stage.preset in wanted or "all" in wanted or (stage.always and not wanted)):
            continue
        if missing := lacks(stage):
            lines.append(f"{stage.preset}: left out, {missing}")
            print(lines[-1], flush=True)
            continue
        started = time.monotonic()
        count = run_stage(stage, ctest_arguments)
        lines.append(f"{stage.preset}: {count} ({time.monotonic() - started:.0f} s)")
        print(lines[-1], flush=True)
        total.add(count)
    print("", *lines, sep="\n")
    print(total, flush=True)
    return 1 if total.failed or not total.passed else 0


if __name__ == "__main__":
    sys.exit(main())
