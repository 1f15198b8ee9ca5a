#!/usr/bin/env python3
"""tuning/check, apply and undo on made-up hosts in temporary directories."""
import importlib.util
import io
import shutil
import subprocess
import sys
import tempfile
import unittest
from contextlib import redirect_stdout
from importlib.machinery import SourceFileLoader
from pathlib import Path

sys.dont_write_bytecode = True
TUNING = Path(__file__).resolve().parents[2] / "tuning"

GOOD_HOST = {
    "proc/sys/kernel/osrelease": "6.8.0-45-generic\n",
    "proc/sys/kernel/io_uring_disabled": "0\n",
    "proc/sys/net/core/somaxconn": "8192\n",
    "proc/sys/net/ipv4/tcp_max_syn_backlog": "4096\n",
    "proc/sys/net/ipv4/ip_local_port_range": "32768\t60999\n",
    "proc/sys/net/ipv4/tcp_mem": "190000\t250000\t380000\n",
    "proc/sys/fs/nr_open": "1048576\n",
    "proc/sys/fs/file-max": "9223372036854775807\n",
    "proc/meminfo": "MemTotal:       16384000 kB\nMemFree: 1 kB\n",
    "proc/77/limits": "Limit   Soft Limit  Hard Limit  Units\nMax open files            1024     1048576    files\n",
    "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never\n",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "performance\n",
    "sys/devices/system/node/node0/cpulist": "0-7\n",
    "etc/hostname": "host\n",
}
GOOD_POSTGRESQL = {
    "fsync": "on", "full_page_writes": "on", "synchronous_commit": "on", "autovacuum": "on",
    "max_connections": "100", "superuser_reserved_connections": "3", "shared_buffers": "524288",
    "max_wal_size": "4096", "random_page_cost": "1.1", "wal_compression": "off", "huge_pages": "try",
}


def load_check():
    sys.path.insert(0, str(TUNING))
    loader = SourceFileLoader("tuning_check", str(TUNING / "check"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("tuning_check", loader))
    loader.exec_module(module)
    return module


class HostTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = Path(directory.name).resolve()
        for name, text in GOOD_HOST.items():
            self.put(name, text)

    def put(self, name, text):
        path = self.root / name
        if text is None:
            path.unlink()
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def run_tool(self, name, *arguments, code=0):
        done = subprocess.run([sys.executable, TUNING / name, "--root", self.root, *arguments],
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def everything(self):
        """Each file with its bytes and mode, each directory."""
        return {
            str(path.relative_to(self.root)): (path.stat().st_mode, path.read_bytes() if path.is_file() else None)
            for path in self.root.rglob("*")
        }


class Check(HostTest):
    def test_a_good_host(self):
        self.assertNotIn("LACKS", self.run_tool("check", "--pid=77"))

    def test_what_is_lacking_is_named(self):
        for name, text, said in (
            ("proc/sys/kernel/osrelease", "5.15.0-91-generic\n", "6.1 or newer"),
            ("proc/sys/kernel/io_uring_disabled", "2\n", "kernel.io_uring_disabled is 2"),
            ("proc/sys/net/core/somaxconn", "128\n", "net.core.somaxconn is 128, should be 4096"),
            ("proc/sys/net/ipv4/tcp_max_syn_backlog", "512\n", "tcp_max_syn_backlog is 512"),
            ("proc/sys/net/ipv4/tcp_mem", "100\t200\t300\n", "net.ipv4.tcp_mem"),
            ("proc/sys/fs/nr_open", "65536\n", "fs.nr_open is 65536"),
            ("proc/sys/net/netfilter/nf_conntrack_max", "65536\n", "nf_conntrack_max is 65536"),
            ("proc/77/limits", "Max open files   1024  4096  files\n", "may have 4096 open files"),
        ):
            with self.subTest(name):
                self.put(name, text)
                lacking = [line for line in self.run_tool("check", "--pid=77", code=1).splitlines()
                           if line.startswith("LACKS")]
                self.assertEqual(len(lacking), 1, lacking)
                self.assertIn(said, lacking[0])
                self.put(name, GOOD_HOST.get(name))

    def test_locked_memory(self):
        limits = GOOD_HOST["proc/77/limits"] + "Max locked memory   65536  8388608  bytes\n"
        for processors, release, status, limit, lacking in (
            (15, "6.14.0-generic", "CapEff:\t0000000000000000\n", limits, False),
            (16, "6.14.0-generic", "CapEff:\t0000000000000000\n", limits, True),
            (16, "6.8.0-generic", "CapEff:\t0000000000000000\n", limits, False),
            (16, "6.14.0-generic", "CapEff:\t0000000000004000\n", limits, False),
            (128, "6.14.0-generic", "CapEff:\t0000000000000000\n", limits.replace("8388608", "unlimited"), False),
        ):
            with self.subTest(f"{processors} {release} {status}"):
                for number in range(processors):
                    self.put(f"sys/devices/system/cpu/cpu{number}/online", "1")
                self.put("proc/sys/kernel/osrelease", release)
                self.put("proc/77/status", status)
                self.put("proc/77/limits", limit)
                said = self.run_tool("check", "--pid=77", code=1 if lacking else 0)
                self.assertEqual("LACKS  process 77 may lock 8192 KiB" in said, lacking, said)

    def test_hints(self):
        self.put("sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never\n")
        self.put("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave\n")
        self.put("sys/devices/system/node/node1/cpulist", "8-15\n")
        self.put("sys/class/net/eth7/device/vendor", "x")
        self.put("sys/class/net/eth7/queues/rx-0/rps_cpus", "0")
        said = self.run_tool("check")
        for word in ("transparent huge pages: always", "governor powersave", "2 NUMA nodes", "card eth7 has one"):
            self.assertIn(word, said)

    def test_fewer_connections_need_less(self):
        self.put("proc/sys/fs/nr_open", "65536\n")
        self.assertIn("ok     fs.nr_open", self.run_tool("check", "--connections=20000"))

    def test_postgresql(self):
        check = load_check()
        for name, value, said in (
            (None, None, None),
            ("fsync", "off", "LACKS  PostgreSQL fsync"),
            ("full_page_writes", "off", "LACKS  PostgreSQL full_page_writes"),
            ("synchronous_commit", "off", "LACKS  PostgreSQL synchronous_commit"),
            ("autovacuum", "off", "LACKS  PostgreSQL autovacuum"),
            ("max_connections", "9", "LACKS  PostgreSQL max_connections leaves 6"),
            ("shared_buffers", "16384", "hint   PostgreSQL shared_buffers is 128 MiB"),
            ("max_wal_size", "1024", "hint   PostgreSQL max_wal_size is 1024 MB"),
            ("random_page_cost", "4", "hint   PostgreSQL random_page_cost is 4"),
        ):
            with self.subTest(name):
                settings = dict(GOOD_POSTGRESQL)
                if name:
                    settings[name] = value
                found = check.Findings()
                output = io.StringIO()
                with redirect_stdout(output):
                    check.check_postgresql(self.root, settings, found)
                self.assertEqual(found.lacking, 1 if said and said.startswith("LACKS") else 0)
                if said:
                    self.assertIn(said, output.getvalue())
                else:
                    self.assertNotIn("LACKS", output.getvalue())


class ApplyAndUndo(HostTest):
    def setUp(self):
        super().setUp()
        self.put("proc/sys/net/core/somaxconn", "128\n")
        self.put("proc/sys/kernel/io_uring_disabled", "2\n")
        self.put("proc/sys/net/netfilter/nf_conntrack_max", "65536\n")
        (self.root / "etc/postgresql/15/main/conf.d").mkdir(parents=True)
        self.postgresql = ("--postgresql", "/etc/postgresql/15/main/conf.d")

    def test_a_host_that_was_applied_lacks_nothing(self):
        self.run_tool("apply", *self.postgresql)
        self.assertNotIn("LACKS", self.run_tool("check"))
        boot = (self.root / "etc/sysctl.d/60-parsec.conf").read_text()
        self.assertIn("net.core.somaxconn = 4096", boot)
        self.assertIn("-net.netfilter.nf_conntrack_max = 200000", boot)
        self.assertNotIn("tcp_max_syn_backlog =", boot, "what suffices is left alone")
        self.assertIn("shared_buffers = 4000MB",
                      (self.root / "etc/postgresql/15/main/conf.d/60-parsec.conf").read_text())
        self.assertIn("tcp_keepalives_idle = 10",
                      (self.root / "etc/postgresql/15/main/conf.d/60-parsec.conf").read_text())
        self.assertIn("LimitNOFILE=101024",
                      (self.root / "etc/systemd/system/parsec.service.d/50-tuning.conf").read_text())

    def test_undo_restores_every_byte(self):
        self.put("etc/sysctl.d/60-parsec.conf", "net.core.somaxconn = 1 # mine, \u00e4\r\n")
        (self.root / "etc/sysctl.d/60-parsec.conf").chmod(0o600)
        self.put("etc/systemd/system/parsec.service", "[Service]")
        before = self.everything()
        self.run_tool("apply", *self.postgresql)
        self.assertNotEqual(before, self.everything())
        self.run_tool("undo")
        self.assertEqual(before, self.everything())
        self.assertIn("nothing to undo", self.run_tool("undo"))

    def test_twice_is_once(self):
        before = self.everything()
        self.run_tool("apply", *self.postgresql)
        once = self.everything()
        self.assertIn("applied already", self.run_tool("apply", *self.postgresql))
        self.assertEqual(once, self.everything())
        self.run_tool("apply", "--connections=150000")
        self.run_tool("undo")
        self.assertEqual(before, self.everything())

    def test_dry_runs_change_nothing(self):
        before = self.everything()
        self.assertIn("net.core.somaxconn: 128 -> 4096", self.run_tool("apply", "--dry-run", *self.postgresql))
        self.assertEqual(before, self.everything())
        self.run_tool("apply")
        applied = self.everything()
        self.assertIn("net.core.somaxconn: 4096 -> 128", self.run_tool("undo", "--dry-run"))
        self.assertEqual(applied, self.everything())

    def test_a_directory_that_is_not_there_is_told(self):
        before = self.everything()
        self.assertIn("is no directory", self.run_tool("apply", "--postgresql=/nowhere", code=1))
        self.assertEqual(before, self.everything())


class Unit(unittest.TestCase):
    @unittest.skipUnless(shutil.which("systemd-analyze"), "no systemd-analyze")
    def test_the_unit_is_valid(self):
        with tempfile.TemporaryDirectory() as directory:
            unit = Path(directory) / "parsec.service"
            unit.write_text((TUNING / "parsec.service").read_text().replace("/usr/bin/parsec ", "/bin/true "))
            done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit],
                                  capture_output=True, text=True, timeout=60)
        self.assertEqual([line for line in done.stderr.splitlines() if "parsec.service" in line], [])


if __name__ == "__main__":
    unittest.main()
