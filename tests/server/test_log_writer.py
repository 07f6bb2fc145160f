"""The log writer: lines in order, written by a separate thread."""

from threading import Event

from gamcli.server import log_writer
from gamcli.server.log_writer import LogWriter


def test_every_line_is_written_in_order() -> None:
    texts = list[str]()
    writer = LogWriter(texts.append)
    lines = [f"line {number}" for number in range(log_writer.MAX_BATCH * 2 + 1)]
    taken = [writer.write(line) for line in lines]
    assert all(taken)
    writer.close()
    assert "\n".join(texts).split("\n") == lines
    assert len(texts) < len(lines)
    assert writer.unwritten_lines == 0


def test_beyond_the_bound_there_is_no_room() -> None:
    go_on = Event()

    def stalled(_: str) -> None:
        assert go_on.wait(10)

    writer = LogWriter(stalled)
    taken = [writer.write("") for _ in range(log_writer.MAX_QUEUED_LINES + 1)]
    assert (taken.count(False), taken[-1]) == (1, False)
    go_on.set()
    writer.close()
    assert writer.write("")


def test_a_log_that_nobody_reads_stops_nothing() -> None:
    tried = Event()

    def gone(_: str) -> None:
        tried.set()
        raise BrokenPipeError

    writer = LogWriter(gone)
    for _ in range(2):
        tried.clear()
        writer.write("")
        assert tried.wait(5)
    writer.close()
