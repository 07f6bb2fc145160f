"""
Runs of gamcli without the time to load its modules: a server that has imported it forks a process for each.

A run gets the arguments, environment, working directory, umask and standard streams of its client. The clients are
`WarmGamcli.start`, and a program `gamcli` for shells. The program starts Python as usual for commands that wait for a
signal or start programs, and where the locale, other descriptors or a deleted directory matter.
"""

import ast
import fcntl
import gc
import os
import pkgutil
import selectors
import signal
import socket
import subprocess
import sys
import termios
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from importlib import import_module
from io import StringIO, TextIOWrapper
from pathlib import Path

import gamcli
from gamcli.commands import entry_point, main
from gamcli.commands.complete import read_table
from gamcli.rules import passwords

PROGRAM = """#!{python} -IS
import os, sys
words = sys.argv[1:]
try:
    folder = os.getcwd()
except OSError:
    folder = ""
is_special = not words or {{*words}} & {{"serve", "run", "try", "quickstart", "--"}} or "LC_ALL" in os.environ
if is_special or not folder or any("/dev/fd" in each for each in words):
    os.execv({gamcli!r}, sys.argv)
def is_open(number):
    try:
        os.fstat(number)
    except OSError:
        return False
    return True
streams = [number for number in range(3) if is_open(number)]
from _socket import AF_UNIX, SCM_RIGHTS, SOCK_STREAM, SOL_SOCKET, socket
server = socket(AF_UNIX, SOCK_STREAM)
server.connect({address!r})
request = repr((words, dict(os.environ), folder, os.umask(0), streams, False)).encode("utf-8", "surrogateescape")
sent = b"".join(number.to_bytes(4, sys.byteorder) for number in streams)
server.sendmsg([len(request).to_bytes(4, "big")], [(SOL_SOCKET, SCM_RIGHTS, sent)] if sent else [])
server.sendall(request)
server.recv(4)
code = server.recv(1)
os._exit(code[0] if code else 70)
"""


class Run:
    """A run that was started."""

    def __init__(self, server: socket.socket) -> None:
        self._server = server

    def wait(self, seconds: float) -> int:
        """Return the exit code (128 + N after signal N), or kill the run after `seconds` and raise TimeoutError."""
        with self._server:
            pid = int.from_bytes(self._server.recv(4, socket.MSG_WAITALL), "big")
            self._server.settimeout(seconds)
            try:
                return self._server.recv(1)[0]
            except TimeoutError:
                os.kill(pid, signal.SIGKILL)
                raise


class WarmGamcli:
    """The server, which listens in `folder`; the program `gamcli` is there too."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.address = f"{folder}/socket"

    def start(
        self, words: Sequence[str], streams: Sequence[int], environment: Mapping[str, str], *, terminal: bool = False
    ) -> Run:
        """Start a run with these descriptors as stdin, stdout and stderr; with `terminal`, as its terminal too."""
        umask = os.umask(0)
        os.umask(umask)
        asked = ([*words], dict(environment), os.getcwd(), umask, [0, 1, 2], terminal)  # noqa: PTH109 - as text
        request = repr(asked).encode("utf-8", "surrogateescape")
        server = socket.socket(socket.AF_UNIX)
        server.connect(self.address)
        socket.send_fds(server, [len(request).to_bytes(4, "big")], streams)
        server.sendall(request)
        return Run(server)


@contextmanager
def install(folder: Path) -> Iterator[WarmGamcli]:
    """Write the program into `folder`, and run the server meanwhile."""
    warm, program, gamcli_path = WarmGamcli(folder), folder / "gamcli", str(Path(sys.executable).with_name("gamcli"))
    text = PROGRAM.format(python=sys.executable, gamcli=gamcli_path, address=warm.address)
    program.write_text(text, encoding="utf-8")
    program.chmod(0o755)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(warm.address)
        listener.listen(100)
        command = [sys.executable, __file__, str(listener.fileno())]
        server = subprocess.Popen(command, pass_fds=[listener.fileno()], start_new_session=True)
    try:
        yield warm
    finally:
        server.kill()
        server.wait()


def serve(listener: socket.socket) -> None:
    """Import gamcli, then fork for each run."""
    for module in pkgutil.walk_packages(gamcli.__path__, "gamcli."):
        if not module.name.startswith(("gamcli.testing", "gamcli.store.postgres", "gamcli.__main__")):
            import_module(module.name)
    passwords.CURRENT_COST = passwords.TEST_COST
    with redirect_stdout(StringIO()):
        for path in {row.path for row in read_table()}:
            main([*path.split(), "--help"])  # loads the command, which takes as long as most take to run
    gc.freeze()
    events = selectors.DefaultSelector()
    events.register(listener, selectors.EVENT_READ)
    while True:
        for key, _ in events.select():
            if key.data is None:
                client, _ = listener.accept()
                command = os.fork()
                if command == 0:
                    run_command(client)
                client.send(command.to_bytes(4, "big"))
                events.register(os.pidfd_open(command), selectors.EVENT_READ, (command, client))
            else:
                events.unregister(key.fd)
                os.close(key.fd)
                send_exit_code(*key.data)


def send_exit_code(command: int, client: socket.socket) -> None:
    _, status = os.waitpid(command, 0)
    code = os.waitstatus_to_exitcode(status)
    with client, suppress(BrokenPipeError):  # it did not wait
        client.send(bytes([code if code >= 0 else 128 - code]))


def run_command(client: socket.socket) -> None:
    """Run what `client` asks for in this process."""
    length, received, _, _ = socket.recv_fds(client, 4, 3)
    request = client.recv(int.from_bytes(length, "big"), socket.MSG_WAITALL)
    asked = ast.literal_eval(request.decode("utf-8", "surrogateescape"))
    words, environment, folder, umask, numbers, terminal = asked
    os.setsid()
    os.chdir(folder)
    os.umask(umask)
    os.environ.clear()
    os.environ.update(environment)
    for number in range(3):
        os.close(number)
    for number, stream in zip(numbers, received, strict=True):
        os.dup2(stream, number)
    os.closerange(3, 1000)  # also the clients of other runs
    if terminal:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    open_streams(numbers, unbuffered="PYTHONUNBUFFERED" in environment)
    sys.argv[1:] = words
    entry_point()


def open_streams(numbers: Sequence[int], *, unbuffered: bool) -> None:
    """Set the standard streams as Python does when it starts: None for a closed one."""
    sys.stdin = os.fdopen(0) if 0 in numbers else None
    for number, name in ((1, "stdout"), (2, "stderr")):
        stream = None
        if number in numbers:
            raw = os.fdopen(number, "wb", 0 if unbuffered else -1)
            by_line = number == 2 or raw.isatty()
            stream = TextIOWrapper(raw, line_buffering=by_line, write_through=unbuffered)
        setattr(sys, name, stream)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
