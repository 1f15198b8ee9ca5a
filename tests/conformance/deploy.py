#!/usr/bin/env python3
"""Starts deployments of the program that was built, and runs the conformance suite against each.

    deploy.py --program build/release/parsec dev|database [--tls] [option…]

  dev        one server, as `./run` starts it: private database, blocks in memory; with a webhook
  database   two servers and one with spontaneous bootstrap on one PostgreSQL, blocks in it; also
             looks at mails and into the database, and cuts its connections
  --tls      all of it over TLS; without it only the cases that are about TLS

Further options go to run.py (`--only vlobs.`, `--failures`, …).
"""
import argparse
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

TOKEN = "s3cr3t"
START_SECONDS = 60
STOP_SECONDS = 30


def free_port():
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# --- PostgreSQL ----------------------------------------------------------------------------------


def postgresql_program(name):
    found = shutil.which(name)
    installed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    if installed:
        found = str(installed[-1])
    if not found:
        sys.exit(f"PostgreSQL's {name} is not installed")
    return found


def unprivileged():
    """PostgreSQL refuses to run as root: whom to become for it."""
    if os.getuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    sys.exit("there is no user `postgres` or `nobody` to run PostgreSQL as")


@contextmanager
def private_postgresql(directory):
    """A PostgreSQL of our own behind a unix socket; gives the URL of an empty database."""
    who = unprivileged()
    if who:
        os.chown(directory, who["user"], who["group"])
    data = directory / "data"
    run = {"cwd": directory, "check": True, "stdin": subprocess.DEVNULL, **who}
    quiet = {"stdout": subprocess.DEVNULL}
    subprocess.run(
        [postgresql_program("initdb"), "-D", data, "-U", "parsec", "-A", "trust", "-E", "UTF8",
         "--locale=C", "--no-sync"],
        **run, **quiet,
    )
    pg_ctl = postgresql_program("pg_ctl")
    settings = f"-c listen_addresses= -c unix_socket_directories={directory} -c fsync=off"
    # Three servers, and a connection or two of every case that runs.
    settings += " -c max_connections=300"
    # The suite asks for column types with a query that takes seconds to compile, and 1 ms to run.
    settings += " -c jit=off"
    subprocess.run(
        [pg_ctl, "-D", data, "-w", "-l", directory / "log", "-o", settings, "start"], **run, **quiet
    )
    try:
        subprocess.run(
            [postgresql_program("createdb"), "-h", directory, "-U", "parsec", "parsec"], **run
        )
        yield f"postgresql://parsec@/parsec?host={directory}"
    finally:
        subprocess.run([pg_ctl, "-D", data, "-m", "immediate", "stop"], **run, **quiet)


# --- Servers -------------------------------------------------------------------------------------


def certificate(directory):
    """The options of a server that speaks TLS."""
    chain, key = directory / "certificate.pem", directory / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-subj", "/CN=localhost", "-days", "2", "-keyout", key, "-out", chain],
        check=True, stderr=subprocess.DEVNULL,
    )
    return [f"--ssl-certfile={chain}", f"--ssl-keyfile={key}"]


class Server:
    """`parsec backend run --dev …` on a free port."""

    tls = ()  # options for all servers

    def __init__(self, program, directory, *options, variables=()):
        port = free_port()
        self.address = f"127.0.0.1:{port}"
        self.log = directory / f"server-{port}.log"
        # Links name the address that clients use, as the suite expects by default.
        options = ["--dev", f"--port={port}", f"--administration-token={TOKEN}",
                   f"--backend-addr=parsec://{self.address}?no_ssl=true", *self.tls, *options]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [program, "backend", "run", *options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                env={**os.environ, **dict(variables)},
            )

    def __enter__(self):
        deadline = time.monotonic() + START_SECONDS
        started = f"Starting Parsec Backend on {self.address} ".encode()
        while started not in self.log.read_bytes():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.process.kill()
                sys.exit(f"the server does not start:\n{self.log.read_text()}")
            time.sleep(0.02)
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.exit_code = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.exit_code = "none: it had to be killed"
        if self.exit_code != 0:
            print(f"server {self.address}: exit code {self.exit_code}; its log:\n"
                  + self.log.read_text(errors="replace")[-4000:])


def start_dev(program, directory, keep):
    webhook = free_port()
    server = keep(Server(
        program, directory, f"--organization-bootstrap-webhook=http://127.0.0.1:{webhook}/hook"
    ))
    return [server], ["--server", server.address, "--slow", "--webhook-port", str(webhook)]


def start_database(program, directory, keep):
    postgresql = directory / "postgresql"
    postgresql.mkdir()
    url = keep(private_postgresql(postgresql))
    subprocess.run([program, "backend", "migrate", "--db", url], check=True)
    common = (f"--db={url}", "--blockstore=POSTGRESQL")
    # Mails become files in the temporary directory, which here is for nothing else.
    mails = directory / "mails"
    mails.mkdir()
    first, second = (
        keep(Server(program, directory, *common, variables={"TMPDIR": str(mails)})) for _ in "12"
    )
    spontaneous = keep(
        Server(program, directory, *common, "--spontaneous-organization-bootstrap")
    )
    return [first, second, spontaneous], [
        "--server", first.address, "--second-server", second.address,
        "--spontaneous-server", spontaneous.address, "--db", url, "--chaos",
        "--mail-dir", str(mails),
    ]


DEPLOYMENTS = {"dev": start_dev, "database": start_database}


# --- Judgement -----------------------------------------------------------------------------------


RESULT = re.compile(r"(PASS|FAIL) \w+\.\w+(?:\[.*?\])?(?:: |$)")


def run_suite(program, options):
    """Passes on what failed; gives (passed, failed, finished)."""
    passed = failed = 0
    finished = hide = False
    command = ["/usr/bin/python3", *program, "--administration-token", TOKEN, *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            result = RESULT.match(line)
            if not result:
                finished = finished or bool(re.fullmatch(r"\d+ passed, \d+ failed\n", line))
                if not (hide and line.startswith(" ")) and not finished:
                    print(line, end="", flush=True)
                continue
            verdict = result[1]
            hide = verdict == "PASS"
            if verdict == "PASS":
                passed += 1
            else:
                failed += 1
                print(line, end="", flush=True)
    return passed, failed, finished


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--program", type=Path, required=True)
    parser.add_argument("deployment", choices=DEPLOYMENTS)
    parser.add_argument("--tls", action="store_true")
    options, rest = parser.parse_known_args()
    program = options.program.resolve()
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="parsec-conformance-")))
        directory.chmod(0o755)  # PostgreSQL's user passes through
        tls = certificate(directory)
        Server.tls = tls if options.tls else []
        servers, suite_options = DEPLOYMENTS[options.deployment](
            program, directory, stack.enter_context
        )
        tls_server = stack.enter_context(Server(program, directory, *tls))
        servers.append(tls_server)
        suite_options += ["--tls-server", tls_server.address]
        suite = [Path(__file__).with_name("run.py")]
        if options.tls:
            plain_port = tls_server.address.split(":")[1]
            suite = [Path(__file__).with_name("over_tls.py"), *suite, plain_port]
        jobs = [] if "--jobs" in rest else ["--jobs", "8"]
        passed, failed, finished = run_suite(suite, suite_options + jobs + rest)
        stack.close()
    unclean = [server for server in servers if server.exit_code != 0]
    how = " over TLS" if options.tls else ""
    print(f"conformance, {options.deployment}{how}: {passed} passed, {failed} failed")
    return 1 if failed or unclean or not finished or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
