"""A save that fails leaves what was there, says what to do, and leaves nothing behind."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lowerbound.errors import ChecksumError, SavingError
from lowerbound.storage.atomic import new_folder, recover_folder, remove_folder, write_and_sync, write_bytes, write_text

HAS_LIMITS = sys.platform.startswith("linux")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_written_and_replaced(tmp_path):
    path = tmp_path / "made" / "on the way" / "a.txt"
    write_text(path, "eins ü")
    assert path.read_text(encoding="utf-8") == "eins ü"
    write_bytes(str(path), b"two")
    assert path.read_bytes() == b"two"
    assert names(path.parent) == ["a.txt"]


def test_a_folder_is_made_and_replaced_as_a_whole(tmp_path):
    path = tmp_path / "model"
    with new_folder(path) as folder:
        write_and_sync(folder / "old", b"1")
        assert not path.exists()
    with new_folder(path) as folder:
        write_and_sync(folder / "new", b"2")
        assert names(path) == ["old"]
    assert names(path) == ["new"]
    assert names(tmp_path) == ["model"]


def _fail_half_way(path, error):
    with new_folder(path) as folder:
        write_and_sync(folder / "new", b"2")
        raise error("from the block")


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, ChecksumError])
def test_a_block_that_raises_leaves_the_old_folder_and_nothing_else(tmp_path, error):
    path = tmp_path / "model"
    with new_folder(path) as folder:
        write_and_sync(folder / "old", b"1")
    with pytest.raises(error, match="from the block"):
        _fail_half_way(path, error)
    assert names(path) == ["old"]
    assert names(tmp_path) == ["model"]


def test_when_the_new_folder_cannot_take_its_place_the_old_one_returns(tmp_path):
    with new_folder(tmp_path / "model") as folder:
        write_and_sync(folder / "old", b"1")
    with pytest.raises(SavingError, match="No such file or directory"), new_folder(tmp_path / "model") as folder:
        folder.rmdir()
    assert names(tmp_path / "model") == ["old"]
    assert names(tmp_path) == ["model"]


def test_a_removed_folder_is_gone_with_all_it_held(tmp_path):
    with new_folder(tmp_path / "model") as folder:
        write_and_sync(folder / "a", b"1")
    remove_folder(tmp_path / "model")
    assert names(tmp_path) == []


def test_leftovers_of_dead_processes_are_swept_and_those_of_living_ones_kept(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    of_the_dead = [f".a.txt.partial-{dead.pid}-0", f".other.previous-{dead.pid}-1", f".folder.partial-{dead.pid}-1"]
    kept = [f".a.txt.partial-{os.getppid()}-0", f".lost.previous-{dead.pid}-0", ".hidden", ".a.txt.partial", "other"]
    for name in of_the_dead[:2] + kept:
        (tmp_path / name).write_text("x")
    (tmp_path / of_the_dead[2]).mkdir()
    old = tmp_path / f".a.txt.partial-{os.getppid()}-7"
    old.write_text("x")
    os.utime(old, (time.time() - 7200, time.time() - 7200))
    write_text(tmp_path / "a.txt", "new")
    assert names(tmp_path) == sorted([*kept, "a.txt"])


def test_a_folder_moved_aside_is_brought_back_unless_it_was_replaced(tmp_path):
    aside = tmp_path / ".model.previous-99999999-0"
    with new_folder(tmp_path / "model") as folder:
        write_and_sync(folder / "old", b"1")
    (tmp_path / "model").rename(aside)
    recover_folder(tmp_path / "model")
    assert names(tmp_path / "model") == ["old"]
    assert not aside.exists()
    aside.mkdir()
    recover_folder(tmp_path / "model")
    assert names(tmp_path / "model") == ["old"]
    recover_folder(tmp_path / "none" / "model")
    assert names(tmp_path) == [aside.name, "model"]


def test_a_file_in_the_way_is_told(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(SavingError) as caught:
        write_text(tmp_path / "file" / "a.txt", "new")
    assert str(caught.value) == (
        f"could not save {tmp_path / 'file' / 'a.txt'}: File exists. What was saved there before is untouched. "
        "A part of that path is a file; save to a path whose parents are folders."
    )
    with (
        pytest.raises(SavingError, match=r"File exists.*save to a path whose parents are folders"),
        new_folder(tmp_path / "file/m"),
    ):
        pass
    with pytest.raises(SavingError, match=r"could not save .*: Is a directory"):
        write_text(tmp_path, "new")
    with pytest.raises(SavingError, match=r"could not save .*: File name too long.*Save to a shorter path"):
        write_text(tmp_path / ("a" * 300), "new")


# The conditions below are real ones (a limit, a full file system, another user), each in a process of its own.
SAVE = """
import os, sys
from pathlib import Path
from lowerbound.errors import SavingError
from lowerbound.storage.atomic import new_folder, write_and_sync, write_text
folder = Path(sys.argv[1])
def save(size):
    with new_folder(folder / "model") as new:
        write_and_sync(new / "small", b"1")
        write_and_sync(new / "big", b"2" * size)
def attempt(action):
    try:
        action()
        print("saved")
    except SavingError as error:
        print(error)
save(10)
write_text(folder / "a.txt", "old")
{condition}
attempt(lambda: save(1_000_000))
attempt(lambda: write_text(folder / "a.txt", "new" * 1_000_000))
print(sorted(path.name for path in folder.iterdir()), (folder / "model/big").read_bytes(), (folder / "a.txt").read_text())
"""
UNTOUCHED = "['a.txt', 'model'] b'2222222222' old"


def check_failures(lines, folder, reason, advice):
    untouched = f"{reason}. What was saved there before is untouched. {advice}"
    assert lines[:2] == [f"could not save {folder / 'model'}: {untouched}", f"could not save {folder / 'a.txt'}: {untouched}"]
    assert lines[2] == UNTOUCHED


@pytest.mark.skipif(not HAS_LIMITS, reason="needs RLIMIT_FSIZE")
def test_a_limit_on_the_size_of_files(tmp_path):
    program = SAVE.format(condition="import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))")
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True)
    advice = "The system limits the size of a file (see `ulimit -f`); raise the limit, or save to another disk."
    check_failures(done.stdout.splitlines(), tmp_path, "File too large", advice)


@pytest.mark.skipif(not HAS_LIMITS, reason="needs a Linux user namespace")
def test_a_full_disk(tmp_path):
    mount = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", 'mount -t tmpfs -o size=100k tmpfs "$0" && exec "$@"']
    try:
        allowed = subprocess.run([*mount, str(tmp_path), "true"], capture_output=True).returncode == 0
    except FileNotFoundError:
        allowed = False
    if not allowed:
        pytest.skip("this system lets no one mount a small disk in a namespace of their own")
    program = SAVE.format(condition="")
    command = [*mount, str(tmp_path), sys.executable, "-c", program, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    advice = "Free some space, or save to a folder on another disk."
    check_failures(done.stdout.splitlines(), tmp_path, "No space left on device", advice)


@pytest.mark.skipif(not HAS_LIMITS, reason="needs POSIX permissions")
def test_a_folder_of_another_user(tmp_path):
    # All that pytest made above it, also when it runs in parallel, is closed to others.
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(0o755)
    # The superuser may write anywhere, and becomes another user first.
    condition = "os.setuid(65534) if os.getuid() == 0 else folder.chmod(0o555)"
    done = subprocess.run(
        [sys.executable, "-c", SAVE.format(condition=condition), str(tmp_path)], capture_output=True, text=True, check=True
    )
    tmp_path.chmod(0o755)
    advice = "Ask for permission to write there, or save to a folder of your own."
    check_failures(done.stdout.splitlines(), tmp_path, "Permission denied", advice)


def test_without_those_conditions_the_same_program_saves(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", SAVE.format(condition=""), str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[:2] == ["saved", "saved"]
    assert Path(tmp_path / "a.txt").stat().st_size == 3_000_000
    assert re.fullmatch("2+", (tmp_path / "model/big").read_text())
