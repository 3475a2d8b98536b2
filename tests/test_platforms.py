"""Windows, and consoles without Unicode, as far as they can be tested where there are none of them."""

import ast
import os
import re
import sys
from pathlib import Path

import pytest
from forked import call

from workbench import noise
from workbench.files import atomic, lock
from workbench.sweep import kernels, notebook

PACKAGE = Path(notebook.__file__).resolve().parents[1]
SOURCES = sorted(PACKAGE.rglob("*.py"))
POSIX_MODULES = {
    "crypt",
    "curses",
    "fcntl",
    "grp",
    "posix",
    "pty",
    "pwd",
    "readline",
    "resource",
    "syslog",
    "termios",
    "tty",
}
POSIX_NAMES = {
    "os": "O_CLOEXEC O_DIRECTORY O_NOFOLLOW O_NONBLOCK O_SYNC WNOHANG chown confstr fchmod fchown fork forkpty getegid "
    "geteuid getgid getloadavg getpgid getuid killpg lchown mkfifo mknod nice openpty posix_fadvise posix_fallocate "
    "pread pwrite register_at_fork sched_getaffinity sched_setaffinity sendfile setpgid setsid statvfs sync sysconf "
    "uname wait",
    "signal": "SIGALRM SIGCHLD SIGCONT SIGHUP SIGKILL SIGPIPE SIGQUIT SIGSTOP SIGTSTP SIGUSR1 SIGUSR2 alarm pause "
    "pthread_kill pthread_sigmask setitimer siginterrupt sigwait",
    "mmap": "MADV_DONTNEED MADV_SEQUENTIAL MADV_WILLNEED MAP_ANONYMOUS MAP_PRIVATE MAP_SHARED PROT_READ PROT_WRITE",
    "time": "clock_settime tzset",
}
GUARD = re.compile(r"hasattr\(|sys\.platform|os\.name")


def not_on_windows(source: str) -> list[str]:
    """What a module uses that Windows lacks, where nothing asks first whether it is there."""
    tree, above = ast.parse(source), {}
    for node in ast.walk(tree):
        above |= dict.fromkeys(ast.iter_child_nodes(node), node)

    def guarded(node: ast.AST) -> bool:
        while node in above:
            node = above[node]
            asked = (
                node.test if isinstance(node, ast.If | ast.IfExp) else node if isinstance(node, ast.BoolOp) else None
            )
            if isinstance(node, ast.Try) or (asked is not None and GUARD.search(ast.unparse(asked))):
                return True
        return False

    found = []
    for node in ast.walk(tree):
        used = set()
        if isinstance(node, ast.Attribute):
            used = {ast.unparse(node)} & {
                f"{module}.{name}" for module in POSIX_NAMES for name in POSIX_NAMES[module].split()
            }
        elif isinstance(node, ast.Import):
            used = {alias.name for alias in node.names} & POSIX_MODULES
        elif isinstance(node, ast.ImportFrom):
            used = {node.module or ""} & POSIX_MODULES
            used |= {alias.name for alias in node.names} & set(POSIX_NAMES.get(node.module or "", "").split())
        found += [name for name in used if not guarded(node)]
    return sorted(found)


def opened_as_the_system_likes(source: str) -> list[str]:
    """Where text is read or written in the system's own encoding, which on Windows is not UTF-8."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name, words = ast.unparse(node.func), [ast.unparse(word) for word in (*node.args, *node.keywords)]
        text = re.fullmatch(
            r"open|os\.fdopen|.*(path|log|file|probe|partial|aside|page|LOCK\))\.open|.*(read|write)_text", name
        )
        binary = any(re.fullmatch(r"(mode=)?'[rwax+]*b[rwax+]*'", word) for word in words)
        text = text and "distribution(" not in name  # what was installed is read as UTF-8
        if text and not binary and not any(word.startswith("encoding=") for word in words):
            found.append(ast.unparse(node))
    return found


def test_nothing_is_used_that_windows_lacks():
    assert {file.name: names for file in SOURCES if (names := not_on_windows(file.read_text(encoding="utf-8")))} == {}


def test_text_is_utf_8_whatever_the_system_likes():
    found = {
        file.name: calls for file in SOURCES if (calls := opened_as_the_system_likes(file.read_text(encoding="utf-8")))
    }
    assert found == {}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import os\nos.getuid()", ["os.getuid"]),
        ("import fcntl\nfrom signal import SIGHUP", ["SIGHUP", "fcntl"]),
        ("import os\nif hasattr(os, 'fork'):\n    os.fork()", []),
        ("import os, sys\nx = os.nice(1) if sys.platform != 'win32' else 0", []),
        ("try:\n    import resource\nexcept ImportError:\n    pass", []),
        ("import os\nok = not hasattr(os, 'getuid') or os.getuid() == 0", []),
        ("import os\nos.O_RDONLY | getattr(os, 'O_NOFOLLOW', 0)", []),
    ],
)
def test_the_search_for_what_windows_lacks_finds_it(source, found):
    assert not_on_windows(source) == found


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("path.open()", 1),
        ("open(x, 'w')", 1),
        ("p.read_text()", 1),
        ("open(x, 'rb')", 0),
        ("p.write_text(t, encoding='utf-8')", 0),
    ],
)
def test_the_search_for_the_systems_encoding_finds_it(source, count):
    assert len(opened_as_the_system_likes(source)) == count


@pytest.mark.parametrize(("system", "found"), [("linux", "ipc"), ("darwin", "ipc"), ("win32", "tcp")])
def test_kernels_talk_over_files_except_on_windows(monkeypatch, system, found):
    folder = Path("/private")
    monkeypatch.setattr(sys, "platform", system)
    with kernels.talking(folder) as talk:
        assert talk == ({"transport": "ipc", "ip": str(folder / "kernel")} if found == "ipc" else {})


@pytest.mark.parametrize(
    ("system", "refusals", "moved"), [("win32", 2, True), ("win32", 99, False), ("linux", 1, False)]
)
def test_a_file_that_is_read_meanwhile_is_replaced_a_moment_later(monkeypatch, tmp_path, system, refusals, moved):
    new, old = tmp_path / "new", tmp_path / "old"
    new.write_text("new", encoding="utf-8")
    replace, tried = Path.replace, []

    def refusing(path, target):
        tried.append(path)
        if len(tried) <= refusals:
            raise PermissionError(13, "used by another process")
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", refusing)
    monkeypatch.setattr(atomic, "PAUSE", 0)
    monkeypatch.setattr(sys, "platform", system)
    if moved:
        atomic.move(new, old)
    else:
        with pytest.raises(PermissionError):
            atomic.move(new, old)
    assert old.exists() == moved
    assert len(tried) == (min(refusals + 1, atomic.TRIES) if system == "win32" else 1)


def test_a_lock_that_a_killed_process_left_is_taken_where_what_is_held_cannot_be_read(monkeypatch, tmp_path):
    """On Windows the lock's file stays empty, and not even its holder can read it by another handle."""

    def refused(path, **how):
        raise PermissionError(13, "another process has locked a portion of the file")

    (tmp_path / lock.LOCK).touch()
    monkeypatch.setattr(Path, "read_text", refused)
    with lock.alone(tmp_path):
        pass


def test_what_windows_keeps_mapped_ends_no_search(monkeypatch, tmp_path):
    def refused(path, **how):
        raise PermissionError(13, "used by another process")

    monkeypatch.setattr(Path, "unlink", refused)
    noise.forget(tmp_path)


COMMANDS = """
import sys
from workbench.cli import main
asked = (
    ["networks"], ["methods", "em-joint", "--json"], ["noise", "--help"],
    "noise --data photo-digits:40 --surrogate mlp-w4 --rounds 1 --device cpu --out".split() + sys.argv[1:],
    ["noise", "--epsilon", "999", "--out", "\u03b5"],
)
for words in asked:
    try:
        code = main(words)
    except SystemExit as ended:
        code = ended.code
    print("ended", words[0], code, flush=True)
"""


def test_a_console_that_knows_ascii_alone_ends_no_work(tmp_path):
    def commands() -> None:
        os.chdir(tmp_path)
        sys.argv[:] = ["-c", str(tmp_path / "\u00b5")]
        exec(COMMANDS, {"__name__": "__main__"})

    done = call(commands, tmp_path / "said", encoding="ascii")
    done.join(240)
    said = (tmp_path / "said").read_bytes().decode("ascii")
    ended = re.findall(r"^ended (\w+) (\w+)", said, re.MULTILINE)
    assert ended == [("networks", "0"), ("methods", "0"), ("noise", "0"), ("noise", "0"), ("noise", "2")], said
    assert r"noise within \xb18 of 255" in said
    assert r"16\xd716 pixels" in said
    assert "Traceback" not in said
