"""What a host is set to: kernel settings and files. One table for check, apply and undo."""
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent

CONNECTIONS = 100_000  # what a host is made ready for by default
FILES_BESIDE = 1_024  # descriptors that are not connections of clients


@dataclass(frozen=True)
class Sysctl:
    """A kernel setting that must be `wanted`, or (at_least) may be more."""

    name: str
    wanted: int
    at_least: bool
    reason: str
    optional: bool = False  # only where the kernel has it

    def path(self, root):
        return root / "proc/sys" / self.name.replace(".", "/")

    def read(self, root):
        """The raw text, or None."""
        try:
            return self.path(root).read_text()
        except OSError:
            return None

    def suffices(self, text):
        try:
            value = int(text.split()[0])
        except (ValueError, IndexError):
            return False
        return value >= self.wanted if self.at_least else value == self.wanted


def sysctls(connections):
    return [
        Sysctl("kernel.io_uring_disabled", 0, False,
               "the server talks to the network through io_uring and does not start without it",
               optional=True),  # Linux 6.6
        Sysctl("net.core.somaxconn", 4096, True,
               "listen(2) cuts the queue of new connections to it: clients that come back all at once"
               " after a restart would be dropped"),
        Sysctl("net.ipv4.tcp_max_syn_backlog", 4096, True,
               "tcp(7): connections being opened beyond it are dropped, or lose options to SYN cookies"),
        Sysctl("fs.nr_open", connections + FILES_BESIDE, True,
               "no process may have more open files, whatever its limit says; each connection is one"),
        Sysctl("fs.file-max", 2 * connections + 10 * FILES_BESIDE, True,
               "open files of the whole host: the server's, the database's, a proxy's"),
        Sysctl("net.netfilter.nf_conntrack_max", 2 * connections, True,
               "the firewall drops new connections when its table is full", optional=True),
    ]


@dataclass(frozen=True)
class File:
    path: str  # without the leading slash
    text: str


def memory_bytes(root):
    for line in (root / "proc/meminfo").read_text().splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) * 1024
    raise ValueError("proc/meminfo does not tell MemTotal")


def shared_buffers_mib(root):
    """A quarter of the memory (PostgreSQL's manual, 20.4), at most 16 GiB, at least the default."""
    return max(128, min(memory_bytes(root) // 4 >> 20, 16 << 10))


def postgresql_text(root):
    template = (HERE / "postgresql.conf.in").read_text()
    return template.replace("@SHARED_BUFFERS@", f"{shared_buffers_mib(root)}MB")


def files(root, connections, needed, postgresql):
    """needed: the sysctls that fall short. postgresql: a conf.d directory, or None."""
    lines = ["# Made by tuning/apply; tuning/undo takes it away.\n"]
    for setting in needed:
        # "-": no error where it does not exist at boot (sysctl.d(5)), as before a module is loaded.
        prefix = "-" if setting.optional else ""
        lines.append(f"# {setting.reason}\n{prefix}{setting.name} = {setting.wanted}\n")
    result = [
        File("etc/systemd/system/parsec.service", (HERE / "parsec.service").read_text()),
        File("etc/systemd/system/parsec.service.d/50-tuning.conf",
             "# Made by tuning/apply: an open file for each connection, and some beside.\n"
             f"[Service]\nLimitNOFILE={connections + FILES_BESIDE}\n"),
    ]
    if needed:
        result.insert(0, File("etc/sysctl.d/60-parsec.conf", "".join(lines)))
    if postgresql:
        result.append(File(postgresql.strip("/") + "/60-parsec.conf", postgresql_text(root)))
    return result


def fail(text):
    sys.exit(f"{Path(sys.argv[0]).name}: {text}")
