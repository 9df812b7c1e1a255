"""One process at a time in a run directory; the second is told which process has it."""

import errno
import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from test_cli import QUICKSTART, environment

from centerloss_core.config import load_config
from centerloss_core.run_directory.lock import DirectoryLock, InUseError, ReplacedError, holder
from centerloss_core.run_directory.writer import Run

# Sixteen processes want the same run directory at the same moment: a new one, or one whose process was killed.
_ROUNDS = """
import os, sys
from pathlib import Path
from centerloss_core.config import load_config
from centerloss_core.run_directory.writer import Run
from centerloss_core.errors import ExpectedError

config = load_config(Path(sys.argv[1]))
for number in range(int(sys.argv[2])):
    stale = number % 2 == 1
    path = Path(f"run{number}")
    if stale:  # begun by a process that died without giving the lock back
        child = os.fork()
        if child == 0:
            Run.create(path, config, {})
            os._exit(0)
        os.waitpid(child, 0)
        assert (path / "lock").exists()
    start, go = os.pipe()
    done, tell = os.pipe()
    end, finish = os.pipe()
    children = []
    for _ in range(16):
        child = os.fork()
        if child == 0:
            for descriptor in (go, done, finish):
                os.close(descriptor)
            os.read(start, 1)  # all at once: the pipe is closed for everyone
            try:
                run = Run.open(path) if stale else Run.create(path, config, {})
                words = f"got it {os.getpid()}"
            except ExpectedError as error:
                words = f"refused {error}"
            os.write(tell, (words + "\\n").encode())
            if words.startswith("got"):
                os.read(end, 1)  # keeps the lock until the round is over
            os._exit(0)
        children.append(child)
    os.close(start)
    os.close(tell)
    os.close(go)
    lines = b""
    while lines.count(b"\\n") < 16:
        lines += os.read(done, 65536)
    print(lines.decode(), end="", flush=True)
    print("END", flush=True)
    sys.stdin.readline()
    os.close(finish)
    for child in children:
        os.waitpid(child, 0)
"""


def test_of_sixteen_processes_one_gets_the_directory_and_the_others_learn_who(tmp_path: Path) -> None:
    pytest.importorskip("fcntl", reason="forks")
    rounds = 20
    with subprocess.Popen(
        [sys.executable, "-c", _ROUNDS, str(QUICKSTART), str(rounds)],
        cwd=tmp_path,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for _ in range(rounds):
            lines = list(iter(process.stdout.readline, "END\n"))
            winners = [line.split()[-1] for line in lines if line.startswith("got it")]
            losers = [line for line in lines if line.startswith("refused")]
            assert (len(winners), len(losers)) == (1, 15), lines
            for line in losers:
                assert f"is in use by process {winners[0]} on " in line
            process.stdin.write("\n")
            process.stdin.flush()
    assert process.returncode == 0


def test_a_lock_is_given_back_and_leaves_no_file(tmp_path: Path) -> None:
    with DirectoryLock(tmp_path):
        assert holder(tmp_path) is not None
        with pytest.raises(
            InUseError, match=rf"in use by process {os.getpid()} on .*: wait for it, or stop it"
        ):
            DirectoryLock(tmp_path)
    assert holder(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_what_a_dead_process_left_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text('{"pid": 1, "host": "elsewhere", "since": "long ago", "command": "cl"}')
    assert holder(tmp_path) is None
    with DirectoryLock(tmp_path):
        assert f"process {os.getpid()} on " in str(holder(tmp_path))


def test_the_holder_is_named_where_the_lock_can_only_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another user's run, or a disk that is mounted read-only."""
    may_read = True
    real = os.open

    def read_only(path: Any, flags: int, *arguments: Any) -> int:
        if flags & os.O_RDWR or not may_read:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return real(path, flags, *arguments)

    with DirectoryLock(tmp_path), monkeypatch.context() as patch:
        patch.setattr(os, "open", read_only)
        assert f"process {os.getpid()} on " in str(holder(tmp_path))
        may_read = False
        assert "its lock cannot be read" in str(holder(tmp_path))
    (tmp_path / "lock").touch()  # not held
    may_read = True
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", read_only)
        assert holder(tmp_path) is None


def test_a_lock_goes_with_its_folder(tmp_path: Path) -> None:
    (tmp_path / "before").mkdir()
    lock = DirectoryLock(tmp_path / "before")
    (tmp_path / "before").rename(tmp_path / "after")
    with pytest.raises(InUseError):
        DirectoryLock(tmp_path / "after")
    lock.moved_to(tmp_path / "after").release()
    assert list((tmp_path / "after").iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="a folder with an open file stays where it is")
@pytest.mark.parametrize("fate", ["moved", "removed"])
def test_a_lock_knows_that_its_folder_was_replaced_and_leaves_the_other_one_alone(
    fate: str, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    lock = DirectoryLock(folder)
    lock.refuse_if_replaced()
    if fate == "moved":
        folder.rename(tmp_path / "elsewhere")
    else:
        shutil.rmtree(folder)
    assert not lock.is_in_place()
    with pytest.raises(ReplacedError, match=r"run was removed or moved away while this process worked there"):
        lock.refuse_if_replaced()
    folder.mkdir()
    with pytest.raises(ReplacedError, match=r"run was replaced, or its lock removed, while"):
        lock.refuse_if_replaced()
    with DirectoryLock(folder) as other:
        assert not lock.is_in_place()
        lock.release()
        assert other.is_in_place()
        with pytest.raises(InUseError):
            DirectoryLock(folder)
    if fate == "moved":  # what stays there means nothing
        DirectoryLock(tmp_path / "elsewhere").release()


@pytest.mark.skipif(os.name == "nt", reason="a folder with an open file stays where it is")
def test_a_folder_whose_parent_became_a_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "runs" / "z").mkdir(parents=True)
    lock = DirectoryLock(tmp_path / "runs" / "z")
    (tmp_path / "runs").rename(tmp_path / "elsewhere")
    (tmp_path / "runs").write_text("mine")
    with pytest.raises(ReplacedError):
        lock.refuse_if_replaced()
    lock.release()
    assert (tmp_path / "runs").read_text() == "mine"


def test_the_command_names_the_process_that_works_in_the_directory(here: Any, tmp_path: Path) -> None:
    with Run.create(tmp_path / "run", load_config(QUICKSTART), {}):
        code, _, errors = here("train", "--resume", "run")
    assert code == 1
    assert errors.startswith(f"error: run is in use by process {os.getpid()} on ")
    assert len(errors.splitlines()) == 1


@pytest.mark.slow
def test_sixteen_commands_at_once(tmp_path: Path) -> None:
    """The whole program, TensorFlow included; two rounds of what takes the machine a minute each."""
    settings = ("--set", "train.epochs=null", "--set", "train.iterations=200", "--run-dir", "run", "--quiet")
    for round_ in range(2):
        home = tmp_path / str(round_)
        home.mkdir()
        processes = [
            subprocess.Popen(
                [sys.executable, "-P", "-m", "cli", "train", "--config", str(QUICKSTART), *settings],
                cwd=home,
                env=environment(),
                stderr=subprocess.PIPE,
                text=True,
            )
            for _ in range(16)
        ]
        errors = [process.communicate()[1] for process in processes]
        assert sorted(process.returncode for process in processes) == [0] + [1] * 15
        assert sum("is in use by process" in error or "exists already" in error for error in errors) == 15
        assert not any("Traceback" in error for error in errors)


@pytest.mark.parametrize("kind", ["link", "dangling link", "pipe"])
def test_a_lock_that_is_a_link_or_a_pipe_is_refused_and_its_target_stays_as_it_is(
    kind: str, tmp_path: Path
) -> None:
    precious = tmp_path / "precious"
    if kind != "dangling link":
        precious.write_text("mine")
    run = tmp_path / "run"
    run.mkdir()
    if kind == "pipe":
        os.mkfifo(run / "lock")
    else:
        (run / "lock").symlink_to(precious)
    with pytest.raises(OSError, match="lock"):
        DirectoryLock(run)
    assert holder(run) is None
    assert not precious.exists() if kind == "dangling link" else precious.read_text() == "mine"


def test_looking_whether_a_directory_is_in_use_does_not_lock_it(tmp_path: Path) -> None:
    """`cl runs` may look at the very moment in which a run is resumed."""
    looker = "import sys\nfrom pathlib import Path\n"
    looker += "from centerloss_core.run_directory.lock import holder\nprint(1, flush=True)\n"
    looker += "while True: holder(Path(sys.argv[1]))"
    with subprocess.Popen(
        [sys.executable, "-c", looker, tmp_path], env=environment(), stdout=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            for _ in range(300):
                # What a killed process leaves: a lock that nobody holds, signed by one that is dead.
                (tmp_path / "lock").write_text(
                    json.dumps(
                        {"pid": 2**22 + 1, "host": socket.gethostname(), "command": "cl", "since": "then"}
                    )
                )
                DirectoryLock(tmp_path).release()
        finally:
            process.kill()


def test_a_long_command_is_shortened_so_that_the_others_can_read_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for word in ("x", "é", "\udcff", "🙂", "two\nlines"):
        monkeypatch.setattr(sys, "argv", ["cl", "sweep", "--seed", word * 5000])
        with DirectoryLock(tmp_path), pytest.raises(InUseError) as caught:
            DirectoryLock(tmp_path)
        words = str(caught.value)
        assert f"is in use by process {os.getpid()} on {socket.gethostname()} (cl sweep --seed " in words
        assert words.isprintable()


def test_a_damaged_signature_names_no_process(tmp_path: Path) -> None:
    honest = {"pid": os.getpid(), "host": socket.gethostname(), "since": "now", "command": "cl"}
    nameless = {key: value for key, value in honest.items() if key != "host"}
    damaged = [honest | {"pid": pid} for pid in (10**30, "1", [[]])] + [nameless, []]
    with DirectoryLock(tmp_path):
        for text in (*map(json.dumps, damaged), "[" * 4000, '{"pid": ' * 500, "9" * 4096):
            (tmp_path / "lock").write_text(text)
            assert holder(tmp_path) == "another process"
        with pytest.raises(InUseError, match="is in use by another process: wait for it, or stop it"):
            DirectoryLock(tmp_path)


def test_a_signature_reaches_no_terminal_unescaped(tmp_path: Path) -> None:
    with DirectoryLock(tmp_path):
        (tmp_path / "lock").write_text(
            json.dumps({"pid": 1, "host": "\x1b[2J", "since": "\n", "command": "x"})
        )
        words = holder(tmp_path)
    assert words == r"process 1 on \x1b[2J (x, since \n)"
