"""
A program `gamcli` for transcripts that does not load Python's modules for each command.

It sends its arguments, environment, working directory, umask and standard streams to a server, which has imported
gamcli and forks a process for each command. Commands that wait for a signal, that start programs or that read other
descriptors run as usual.
"""

import ast
import os
import pkgutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from signal import SIG_DFL, SIG_IGN, SIGCHLD, signal

from gamcli import commands
from gamcli.commands import entry_point

PROGRAM = """#!{python} -IS
import os, sys
words = sys.argv[1:]
if not words or {{*words}} & {{"serve", "run", "try", "quickstart", "--"}} or any("/dev/fd" in each for each in words):
    os.execv({gamcli!r}, sys.argv)
from _socket import AF_UNIX, SCM_RIGHTS, SOCK_STREAM, SOL_SOCKET, socket
server = socket(AF_UNIX, SOCK_STREAM)
server.connect({address!r})
request = repr((words, dict(os.environ), os.getcwd(), os.umask(0))).encode("utf-8", "surrogateescape")
streams = b"".join(number.to_bytes(4, sys.byteorder) for number in range(3))
server.sendmsg([len(request).to_bytes(4, "big")], [(SOL_SOCKET, SCM_RIGHTS, streams)])
server.sendall(request)
code = server.recv(1)
os._exit(code[0] if code else 70)
"""


@contextmanager
def install(folder: Path) -> Iterator[None]:
    """Write the program into `folder`, and run its server meanwhile."""
    address, program, gamcli = f"{folder}/socket", folder / "gamcli", str(Path(sys.executable).with_name("gamcli"))
    program.write_text(PROGRAM.format(python=sys.executable, gamcli=gamcli, address=address), encoding="utf-8")
    program.chmod(0o755)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(100)
        command = [sys.executable, __file__, str(listener.fileno())]
        server = subprocess.Popen(command, pass_fds=[listener.fileno()], start_new_session=True)
    try:
        yield
    finally:
        server.kill()
        server.wait()


def serve(listener: socket.socket) -> None:
    """Import gamcli, then fork for each command."""
    for module in pkgutil.iter_modules(commands.__path__):
        import_module(f"gamcli.commands.{module.name}")
    signal(SIGCHLD, SIG_IGN)  # nobody waits for them
    while True:
        client, _ = listener.accept()
        if os.fork() == 0:
            signal(SIGCHLD, SIG_DFL)
            run_command(client)
        client.close()


def run_command(client: socket.socket) -> None:
    """Run what `client` asks for in a separate process, and send its exit code."""
    length, streams, _, _ = socket.recv_fds(client, 4, 3)
    request = client.recv(int.from_bytes(length, "big"), socket.MSG_WAITALL)
    words, environment, folder, umask = ast.literal_eval(request.decode("utf-8", "surrogateescape"))
    command = os.fork()
    if command:
        _, status = os.waitpid(command, 0)
        code = os.waitstatus_to_exitcode(status)
        client.send(bytes([code if code >= 0 else 128 - code]))
        os._exit(0)
    os.chdir(folder)
    os.umask(umask)
    os.environ.clear()
    os.environ.update(environment)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.argv[1:] = words
    sys.stdin = os.fdopen(0)
    sys.stdout, sys.stderr = (TextIOWrapper(os.fdopen(number, "wb", 0), write_through=True) for number in (1, 2))
    entry_point()


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
