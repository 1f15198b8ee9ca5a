#!/usr/bin/env python3
"""Rules of this tree that no compiler checks. Prints each violation; exit code 1 if there is one."""
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# What may know what stands in the README, a row for each room: a folder with code.
ROOM_ROW = re.compile(r"^\| (`(?:engine|db|protocol|app)[\w/`, ]*) \| (.+) \|$")
MOST_FILES = 30
# Measurements of parts alone share the tests' service without sockets, and their certificates; nothing else of bench/ may.
SHARES_TEST_SUPPORT = ("bench/instructions/", "bench/micro/tls_session_bench.cpp")
# Libraries that must not be seen from above their layer.
HIDDEN = {"engine": ["libpq"], "protocol": ["liburing", "libpq", "sys/socket", "curl/"]}

# Files without a test of their own, and where they are tested instead.
TESTED_ELSEWHERE = {
    "app/backend/backend_migrate.cpp": "tests/app/program_test.cpp",
    "app/backend/backend_run.cpp": "tests/app/program_test.cpp",
    "app/core/client.cpp": "tests/app/core/core_organization_test.cpp",
    "app/main.cpp": "tests/app/program_test.cpp",
    "app/command_line/option_reader.cpp": "tests/app/command_line/configuration_test.cpp",
    "app/command_line/options.cpp": "tests/app/command_line/configuration_test.cpp",
    "app/delivery/outbox.cpp": "tests/app/delivery/mail_delivery_test.cpp",
    "app/process/stop_signals.cpp": "tests/app/program_test.cpp",
    "app/core/stream.cpp": "tests/app/core/core_organization_test.cpp",
    "app/monitoring/monitor.cpp": "tests/integration/monitoring_test.cpp",
    "app/monitoring/monitoring_listener.cpp": "tests/integration/monitoring_test.cpp",
    "bench/instructions/main.cpp": "bench/instructions/count",
    "bench/instructions/request_path.cpp": "bench/instructions/count",
    "bench/limits/echo/echo.cpp": "tests/bench/echo_test.py",
    "bench/limits/echo/main.cpp": "tests/bench/echo_test.py",
    "bench/limits/direct/direct.cpp": "tests/integration/bench_test.cpp",
    "bench/limits/direct/main.cpp": "tests/integration/bench_test.cpp",
    "bench/population/blocking_client.cpp": "tests/integration/bench_test.cpp",
    "bench/load/database_usage.cpp": "tests/integration/bench_test.cpp",
    "bench/load/generator.cpp": "tests/integration/bench_test.cpp",
    "bench/load/generator_control.cpp": "tests/integration/bench_test.cpp",
    "bench/load/generator_round.cpp": "tests/integration/bench_test.cpp",
    "bench/load/load_driver.cpp": "tests/integration/bench_test.cpp",
    "bench/population/populate.cpp": "tests/integration/bench_test.cpp",
    "bench/load/realm_holder.cpp": "tests/integration/bench_test.cpp",
    "bench/population/requests.cpp": "tests/integration/bench_test.cpp",
    "bench/load/socket_dialer.cpp": "tests/integration/bench_test.cpp",
    "bench/main.cpp": "tests/integration/bench_test.cpp",
    "bench/measure_commands.cpp": "tests/integration/bench_test.cpp",
    "bench/report/html_charts.cpp": "tests/bench/report/html_report_test.cpp",
    "bench/report/html_comparison.cpp": "tests/bench/report/html_report_test.cpp",
    "bench/report/html_page.cpp": "tests/bench/report/html_report_test.cpp",
    "bench/report/html_style.cpp": "tests/bench/report/html_report_test.cpp",
    "bench/report/result_writer.cpp": "tests/bench/report/result_reader_test.cpp",
    "bench/report_commands.cpp": "tests/integration/bench_test.cpp",
    "bench/result.cpp": "tests/bench/report/result_reader_test.cpp",
    "db/blocks/block_store_http.cpp": "tests/db/blocks/block_store_s3_test.cpp",
    "db/blocks/block_store_memory.cpp": "tests/db/blocks/block_store_test.cpp",
    "db/blocks/block_store_postgresql.cpp": "tests/db/blocks/block_store_test.cpp",
    "db/blocks/block_stores.cpp": "tests/db/blocks/block_store_test.cpp",
    "db/driver/connection.cpp": "tests/db/driver/pipeline_test.cpp",
    "db/driver/connector.cpp": "tests/db/workers/worker_test.cpp",
    "db/schema/extensions.cpp": "tests/db/schema/migrations_test.cpp",
    "db/workers/lane.cpp": "tests/db/workers/worker_test.cpp",
    "db/cluster/postgres_process.cpp": "tests/db/cluster/embedded_cluster_test.cpp",
    "db/workers/shard_gateway.cpp": "tests/db/database_test.cpp",
    "db/driver/transaction.cpp": "tests/db/schema/migrations_test.cpp",
    "engine/queues/fair_order.cpp": "tests/engine/queues/fair_queue_test.cpp",
    "engine/host/log.cpp": "tests/engine/host/log_record_test.cpp",
    "engine/outbound/outbound_transfer.cpp": "tests/engine/outbound/outbound_test.cpp",
    "engine/outbound/outbound_worker.cpp": "tests/engine/outbound/outbound_test.cpp",
    "engine/tls/tls_session.cpp": "tests/engine/tls/tls_layer_test.cpp",
    "protocol/events/event_bus.cpp": "tests/protocol/events/subscription_test.cpp",
    "protocol/session/event_router.cpp": "tests/protocol/events/subscription_test.cpp",
    "protocol/events/events.cpp": "tests/protocol/events/subscription_test.cpp",
    "protocol/session/handshake.cpp": "tests/protocol/events/subscription_test.cpp",
    "protocol/session/service.cpp": "tests/protocol/session/session_test.cpp",
    "protocol/session/session_http.cpp": "tests/protocol/session/session_test.cpp",
    "protocol/session/session_wait.cpp": "tests/protocol/session/session_test.cpp",
}

problems = []


def problem(path, line, text):
    problems.append(f"{path}:{line}: {text}")


def tracked(*patterns):
    """Files of the repository, or of an exported tree without one."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns],
        cwd=ROOT, capture_output=True, text=True,
    )
    if listed.returncode == 0:
        names = listed.stdout.splitlines()
    else:
        names = [
            str(path.relative_to(ROOT)) for pattern in patterns for path in ROOT.rglob(pattern)
        ]
    return [name for name in sorted(set(names)) if (ROOT / name).is_file() and not name.startswith("build/")]


def lines(name):
    try:
        return list(enumerate((ROOT / name).read_text().splitlines(), 1))
    except UnicodeDecodeError:
        return []  # an image, a corpus


def rooms():
    """Room → rooms it may include from, itself among them; `db/*` are db and all rooms in it."""
    table = {}
    for _, line in lines("README.md"):
        row = ROOM_ROW.match(line)
        for room in re.findall(r"`([^`]+)`", row[1]) if row else []:
            table[room] = {room, *re.findall(r"`([^`]+)`", row[2])}
    for known in table.values():
        for name in [name for name in known if name.endswith("/*")]:
            known |= {room for room in table if f"{room}/".startswith(name[:-1])}
    return table


def room_of(path):
    return str(Path(path).parent)


def forbidden(table, name, target):
    """Why the file `name` must not include "target", or nothing."""
    room, of = room_of(name), room_of(target)
    if name.startswith("tests/"):
        return ""
    if name.startswith("bench/"):
        shared = name.startswith(SHARES_TEST_SUPPORT) and target.startswith("tests/support/")
        return "" if of in table or target.startswith("bench/") or shared else f"bench/ must not include {target}"
    if room not in table:
        return f"{room}/ is no room of README.md"
    return "" if of in table[room] else f"{room}/ must not include {target}"


def check_includes():
    table = rooms()
    # Were these allowed, nothing would be held.
    for name, target in (("engine/limits.h", "db/database.h"), ("db/driver/lane.h", "db/functions/vlob.h"),
                         ("protocol/types/fields.h", "protocol/session/session.h"), ("engine/new/a.h", "engine/limits.h"),
                         ("app/backend/a.h", "bench/driver.h")):
        if not forbidden(table, name, target):
            problem("README.md", 1, f"{name} could include {target}")
    pattern = re.compile(r'#include\s+(["<])([^">]+)[">]')
    for name in tracked("*.h", "*.cpp"):
        for number, line in lines(name):
            found = pattern.match(line)
            if not found:
                continue
            quoted, target = found[1] == '"', found[2]
            if quoted and not (ROOT / target).is_file() and target != "app/command_line/version.h":
                problem(name, number, f'"{target}" is not named from the root of the project')
            reason = forbidden(table, name, target) if quoted else ""
            if reason:
                problem(name, number, reason)
            for hidden in HIDDEN.get(name.split("/")[0], []):
                if target.startswith(hidden):
                    problem(name, number, f"{name.split('/')[0]}/ must not know <{target}>")


def check_rooms():
    files = {}
    for name in tracked("*.h", "*.cpp"):
        files.setdefault(room_of(name), []).append(name)
    for room, names in files.items():
        if len(names) > MOST_FILES and not room.startswith("tests/"):
            problem(room, 1, f"{len(names)} files: more than one purpose")
    for room in rooms():
        if not (ROOT / room / "README.md").is_file():
            problem(room, 1, "a room without a README.md")
        if room not in files:
            problem("README.md", 1, f"{room} holds nothing")


def check_headers():
    for name in tracked("*.h"):
        text = [line for _, line in lines(name)]
        if "#pragma once" not in text:
            problem(name, 1, "no #pragma once")
        if not text or not text[0].startswith("//"):
            problem(name, 1, "no head that says what this is")
        source = ROOT / name.replace(".h", ".cpp")
        first = re.search(r'#include\s+["<]([^">]+)', source.read_text()) if source.is_file() else None
        if first and first[1] != name:
            # So that the compiler sees that the header needs nothing in front of it.
            problem(source.relative_to(ROOT), 1, f"does not include {name} first")


def check_readmes():
    folders = {name.split("/")[0] for name in tracked("*") if "/" in name and name[0] != "."}
    for folder in sorted(folders):
        if not (ROOT / folder / "README.md").is_file():
            problem(folder, 1, "no README.md")


# Documents that are named and not links: `tests/README.md`, `protocol/4-commands.md §4.4`.
DOCUMENT = re.compile(r"(?<![\w/.:-])(?:\.{1,2}/)*(?:[\w-]+/)*[\w-]+\.md\b")
SOURCE = re.compile(r"`([\w./-]+\.(?:h|cpp|sql|py|json|cmake))(?=[`: ])")
LINK = re.compile(r"\]\((?!\w+:)([^)#\s]+)(?:#[^)]*)?\)")


def check_documents():
    """What names a document or links to a file names one that exists: from the root, or from where it stands."""
    for name in tracked("*"):
        if name.startswith(("tests/fuzz/corpus", "tests/data/")) or name == "tests/tidy_test.py":
            continue
        here = (ROOT / name).parent
        for number, line in lines(name):
            for target in DOCUMENT.findall(line):
                if not (ROOT / target).is_file() and not (here / target).is_file():
                    problem(name, number, f"{target} does not exist")
            if not name.endswith(".md"):
                continue
            for target in LINK.findall(line):
                if not (here / target).exists():
                    problem(name, number, f"the link to {target} leads nowhere")
            for target in SOURCE.findall(line):
                if not (ROOT / target).is_file() and not (here / target).is_file():
                    problem(name, number, f"{target} is not there")


def check_tests():
    """engine/queues/waker.cpp is tested by tests/engine/queues/waker_test.cpp, protocol/commands/ by whole servers."""
    for name in tracked("app/*.cpp", "bench/*.cpp", "db/*.cpp", "engine/*.cpp", "protocol/*.cpp"):
        path = Path(name)
        own = f"tests/{path.parent}/{path.stem}_test.cpp"
        if name.startswith(("bench/micro/", "protocol/commands/", "db/functions/")) or (ROOT / own).is_file():
            continue
        elsewhere = TESTED_ELSEWHERE.get(name)
        if elsewhere is None:
            problem(name, 1, f"no {own}, and no word on where else it is tested")
        elif not (ROOT / elsewhere).is_file():
            problem(name, 1, f"said to be tested by {elsewhere}, which is not there")
    for name in TESTED_ELSEWHERE:
        if not (ROOT / name).is_file():
            problem("tests/tidy_test.py", 1, f"{name} is no more")


def check_words():
    # Written in pieces, so that this file does not find itself.
    unfinished = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"]) + r")\b")
    machine = re.compile(r"(?<![\w.$}])/(?:" + "|".join(["work", "farm", "home", "root"]) + r")/\w")
    for name in tracked("*"):
        if name.startswith("tests/fuzz/corpus"):
            continue
        for number, line in lines(name):
            if unfinished.search(line):
                problem(name, number, "something is left for later")
            if machine.search(line):
                problem(name, number, "names a path of one machine")
            if line != line.rstrip() and not name.endswith((".md", ".txt")):
                problem(name, number, "white space at the end")


def check_functions():
    """Every stored function that the server calls has a typed signature in db/functions/."""
    cpp = "\n".join((ROOT / name).read_text() for name in tracked("db/functions/*.cpp"))
    for name in tracked("db/schema/sql/functions/*.sql"):
        text = (ROOT / name).read_text()
        all_sql = "\n".join((ROOT / other).read_text() for other in tracked("db/schema/sql/*.sql"))
        for found in re.finditer(r"CREATE (?:OR REPLACE )?FUNCTION\s+(?:parsec_functions\.)?(\w+)", text):
            function = found[1]
            called_by_sql = len(re.findall(rf"\b{function}\s*\(", all_sql)) > 1
            if not re.search(rf"\b{function}\b", cpp) and not called_by_sql:
                line = text[: found.start()].count("\n") + 1
                problem(name, line, f"{function} has no typed signature in db/functions/")


def check_format():
    program = shutil.which("clang-format")
    version = subprocess.run([program, "--version"], capture_output=True, text=True).stdout if program else ""
    if " version 14." not in version:
        # Releases differ in details; the tree is kept with Debian 12's.
        print("formatting not checked: needs clang-format 14")
        return
    names = tracked("*.h", "*.cpp")
    result = subprocess.run(
        [program, "--dry-run", "--ferror-limit=1", *names], cwd=ROOT, capture_output=True, text=True
    )
    for found in re.finditer(r"^(\S+?):(\d+):\d+: (?:warning|error): ", result.stderr, re.M):
        problem(found[1], found[2], "not formatted by clang-format")


for check in (check_includes, check_rooms, check_headers, check_readmes, check_documents, check_tests, check_words,
              check_functions, check_format):
    check()
print("\n".join(problems) or "tidy")
sys.exit(1 if problems else 0)
