#!/usr/bin/env python3
"""monitoring/ with the real tools: promtool checks and tests the rules, and a Prometheus that scrapes a server at
work answers every query of the dashboard.

tests/monitoring/prometheus_test.py build/release/parsec
Exit code 77: Prometheus is not installed.
"""
import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MONITORING = ROOT / "monitoring"
TOKEN = "scrape-me"
PATIENCE = 90
SKIPPED = 77


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def get(url, **headers):
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as answer:
        return answer.read().decode()


def await_url(url, process):
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return get(url)
        except (urllib.error.URLError, ConnectionError):
            if process.poll() is not None or time.monotonic() > end:
                raise
            time.sleep(0.05)


@contextlib.contextmanager
def running(directory, name, command, **options):
    with open(directory / f"{name}.log", "w+") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, **options)
        try:
            yield process
        except BaseException:
            log.seek(0)
            print(log.read()[-5000:], file=sys.stderr)
            raise
        finally:
            process.terminate()
            process.wait(PATIENCE)


def certificate(directory):
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost",
         "-keyout", directory / "key.pem", "-out", directory / "cert.pem"],
        check=True, capture_output=True)


def promtool(*arguments, text=None):
    done = subprocess.run(["promtool", *arguments], input=text, capture_output=True, text=True)
    output = done.stdout + done.stderr
    assert done.returncode == 0, f"promtool {' '.join(map(str, arguments))}:\n{output}"
    return output


def panel_queries():
    """(title, query) of each target, as Grafana would send it."""
    for panel in json.loads((MONITORING / "dashboard.json").read_text())["panels"]:
        for target in panel.get("targets", []):
            query = target["expr"].replace("$__rate_interval", "15s").replace("$instance", ".*")
            assert "$" not in query, query
            yield panel["title"], query


def work(program, environment, port, number):
    """Something of what clients do: a request that is served, and one that is refused."""
    for command, organization, expected in (("create", f"Org{number}", 0), ("status", "Unknown", 1)):
        done = subprocess.run(
            [program, "core", f"{command}_organization", organization, "--addr", f"parsec://localhost:{port}",
             "--administration-token", "s3cr3t"], env=environment, capture_output=True, text=True)
        assert done.returncode == expected, done.stdout + done.stderr


def check_names(exposition):
    """What dashboard and rules name is there."""
    known = set(re.findall(r"^# TYPE (\S+)", exposition, re.M))
    for name in ("dashboard.json", "alerts.yml"):
        for metric in re.findall(r"\b((?:parsec|process)_[a-z_]+)\b(?=[{\s)\[]|$)", (MONITORING / name).read_text(), re.M):
            assert re.sub("_(bucket|sum|count)$", "", metric) in known, f"{name}: {metric}"


def main():
    program = Path(sys.argv[1]).resolve()
    if not shutil.which("prometheus") or not shutil.which("promtool"):
        print("prometheus is not installed")
        sys.exit(SKIPPED)
    promtool("check", "rules", MONITORING / "alerts.yml")
    promtool("test", "rules", MONITORING / "alerts_test.yml")

    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        certificate(directory)
        port, metrics_port, prometheus_port = free_port(), free_port(), free_port()
        environment = {**os.environ, "SSL_CERT_FILE": str(directory / "cert.pem")}
        server = stack.enter_context(running(
            directory, "parsec",
            [program, "backend", "run", "--dev", "--port", str(port), "--ssl-certfile", directory / "cert.pem",
             "--ssl-keyfile", directory / "key.pem", "--metrics-listen", f"127.0.0.1:{metrics_port}"],
            env={**environment, "PARSEC_METRICS_TOKEN": TOKEN}))
        await_url(f"http://127.0.0.1:{metrics_port}/ready", server)

        url, authorization = f"http://127.0.0.1:{metrics_port}/metrics", f"Bearer {TOKEN}"
        exposition = get(url, Authorization=authorization)
        complaints = promtool("check", "metrics", text=exposition)
        assert complaints == "", complaints
        check_names(exposition)

        (directory / "prometheus.yml").write_text(json.dumps({
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(MONITORING / "alerts.yml")],
            "scrape_configs": [{
                "job_name": "parsec", "authorization": {"credentials": TOKEN},
                "static_configs": [{"targets": [f"127.0.0.1:{metrics_port}"]}]}]}))
        prometheus = stack.enter_context(running(
            directory, "prometheus",
            ["prometheus", f"--config.file={directory}/prometheus.yml", f"--storage.tsdb.path={directory}/data",
             f"--web.listen-address=127.0.0.1:{prometheus_port}"]))
        api = f"http://127.0.0.1:{prometheus_port}/api/v1"
        await_url(f"http://127.0.0.1:{prometheus_port}/-/ready", prometheus)

        def result(query):
            answer = json.loads(get(f"{api}/query?" + urllib.parse.urlencode({"query": query})))
            assert answer["status"] == "success", answer
            return answer["data"]["result"]

        missing, end = list(panel_queries()), time.monotonic() + PATIENCE
        count = len(missing)
        number = 0
        while missing and time.monotonic() < end:
            work(program, environment, port, number)
            number += 1
            missing = [(title, query) for title, query in missing if not result(query)]
        assert not missing, "no data:\n" + "\n".join(f"{title}: {query}" for title, query in missing)

        targets = json.loads(get(f"{api}/targets"))["data"]["activeTargets"]
        assert [target["health"] for target in targets] == ["up"], targets
        rules = [rule for group in json.loads(get(f"{api}/rules"))["data"]["groups"] for rule in group["rules"]]
        assert rules and all(rule["health"] == "ok" for rule in rules), rules
        firing = {rule["name"] for rule in rules if rule["state"] == "firing"}
        assert not firing, firing
        print(f"{count} queries of the dashboard give data, {len(rules)} rules are at work")


main()
