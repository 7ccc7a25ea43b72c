"""K01-K03: under its final name a file is always complete, whatever fails and whenever we die."""

import errno
import hashlib
import json
import os
import re
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from _faulty_os import FaultyOs
from tenfold import files as atomic
from tenfold.errors import ResourceError, TenfoldError, UsageError

OLD, NEW = b"old" * 1000, b"new" * 1000
CHUNKS = [NEW[:1500], memoryview(NEW)[1500:]]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def refusal(code: int) -> Callable[..., Any]:
    def fault(name: str, real: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        if name == "close":  # the descriptor is gone even when close reports an error
            real(*args)
        raise OSError(code, os.strerror(code))

    return fault


def short_write(name: str, real: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    return real(args[0], args[1][:7]) if name == "write" else real(*args)


def faults_of(
    path: Path, fault: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, **options: Any
) -> Iterator[FaultyOs]:
    """Run a write with the fault at call 1, 2, ... until a write meets none."""
    for at in range(1, 100):
        faulty = FaultyOs(at, fault, for_ever=options.get("for_ever", False))
        if options.get("overwrite", True):
            path.write_bytes(OLD)
        else:
            path.unlink(missing_ok=True)
        with monkeypatch.context() as patch:
            patch.setattr(atomic, "os", faulty)
            try:
                digest = atomic.write_chunks(path, CHUNKS, overwrite=options.get("overwrite", True))
            except TenfoldError as error:
                assert isinstance(error, ResourceError) and error.exit_code == 4
                assert str(path) in str(error)
                faulty.error = str(error)  # type: ignore[attr-defined]
            else:
                assert digest == hashlib.sha256(NEW).hexdigest()
                assert path.read_bytes() == NEW
        yield faulty
        if not faulty.struck:
            return
    raise AssertionError("the write never ended")


@pytest.mark.parametrize("for_ever", [False, True], ids=["once", "for-ever"])
@pytest.mark.parametrize(
    "code", [errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EACCES, errno.EINTR], ids=errno.errorcode.get
)
def test_k01_a_refused_call_leaves_the_old_file_or_the_new_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, for_ever: bool
) -> None:
    path = tmp_path / "file"
    struck = 0
    for faulty in faults_of(path, refusal(code), monkeypatch, for_ever=for_ever):
        assert path.read_bytes() in (OLD, NEW)
        assert names(tmp_path) == ["file"]
        if faulty.struck:
            struck += 1
            assert os.strerror(code) in faulty.error  # type: ignore[attr-defined]
            if "replace" not in faulty.log:
                assert path.read_bytes() == OLD
    assert struck >= 8  # open, two writes, fsync, close, replace; open, fsync and close of the folder


def test_k01_without_overwriting_a_refused_call_leaves_the_whole_file_or_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    for _ in faults_of(path, refusal(errno.EIO), monkeypatch, overwrite=False):
        assert not path.exists() or path.read_bytes() == NEW
        assert set(names(tmp_path)) <= {"file"}


def test_k01_a_short_write_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in faults_of(tmp_path / "file", short_write, monkeypatch, for_ever=True):
        assert (tmp_path / "file").read_bytes() == NEW


def test_k01_a_fault_of_the_maker_of_the_content_changes_nothing(tmp_path: Path) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"half"
        raise RuntimeError("boom")

    (tmp_path / "file").write_bytes(OLD)
    with pytest.raises(RuntimeError, match="boom"):
        atomic.write_chunks(tmp_path / "file", chunks())
    assert names(tmp_path) == ["file"]
    assert (tmp_path / "file").read_bytes() == OLD


def test_k01_a_temporary_file_that_cannot_be_removed_does_not_hide_the_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fault(name: str, real: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        raise OSError(errno.ENOSPC if name == "fsync" else errno.EACCES, "refused")

    class FsyncThenUnlink(FaultyOs):
        def __getattr__(self, name: str) -> Any:
            return (lambda *args: fault(name, os.fsync, args)) if name in ("fsync", "unlink") else getattr(os, name)

    monkeypatch.setattr(atomic, "os", FsyncThenUnlink(1, fault))
    with pytest.raises(ResourceError, match="the disk is full"):
        atomic.write_bytes(tmp_path / "file", b"x")
    assert not (tmp_path / "file").exists()


def test_k02_death_at_any_call_leaves_the_old_file_or_the_new(tmp_path: Path) -> None:
    child = subprocess.run(
        [sys.executable, Path(__file__).with_name("_deaths.py"), tmp_path], capture_output=True, text=True, check=True
    )
    seen = json.loads(child.stdout)
    assert {state for *_, state in seen} == {"old", "new"}
    assert sum(code == 137 for *_, code, _ in seen) >= 16
    assert [(code, state) for *_, code, state in seen if code != 137] == [(0, "new"), (0, "new")]


def test_k03_data_is_on_the_disk_before_the_name_and_the_name_before_we_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watching = FaultyOs(1000, short_write)
    monkeypatch.setattr(atomic, "os", watching)
    atomic.write_chunks(tmp_path / "file", CHUNKS)
    assert watching.log == ["open", "write", "write", "fsync", "close", "replace", "open", "fsync", "close"]


def test_an_existing_file_is_kept_unless_overwriting_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "submission.csv"
    atomic.write_text(path, "first\n", overwrite=False)
    with pytest.raises(UsageError, match="--force"):
        atomic.write_text(path, "second\n", overwrite=False)
    assert path.read_text() == "first\n"
    assert names(tmp_path) == ["submission.csv"]
    atomic.write_text(path, "third\r\n")
    assert path.read_bytes() == b"third\r\n"


def test_the_mode_is_that_of_any_other_file(tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    atomic.write_bytes(tmp_path / "file", b"")
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("file", "other")}
    assert len(modes) == 1


def test_a_long_name_fits(tmp_path: Path) -> None:
    path = tmp_path / ("漢" * 84)  # 252 of the 255 bytes that a name may have
    atomic.write_bytes(path, b"x")
    assert path.read_bytes() == b"x"


def test_json_is_sorted_readable_and_has_no_nan(tmp_path: Path) -> None:
    atomic.write_json(tmp_path / "a.json", {"b": 1, "a": "ü"})
    assert (tmp_path / "a.json").read_text("utf-8") == '{\n  "a": "ü",\n  "b": 1\n}\n'
    with pytest.raises(ValueError, match="not JSON compliant"):
        atomic.write_json(tmp_path / "b.json", {"a": float("nan")})
    assert names(tmp_path) == ["a.json"]


def test_sha256_of_a_file_and_of_one_that_is_not_there(tmp_path: Path) -> None:
    digest = atomic.write_bytes(tmp_path / "file", NEW)
    assert atomic.sha256_of(tmp_path / "file") == digest == hashlib.sha256(NEW).hexdigest()
    with pytest.raises(ResourceError, match=r"cannot read .*none"):
        atomic.sha256_of(tmp_path / "none")


def test_folders_are_made_with_their_parents(tmp_path: Path) -> None:
    assert atomic.make_directory(tmp_path / "a" / "b" / "c").is_dir()
    assert atomic.make_directory(tmp_path / "a" / "b").is_dir()
    with pytest.raises(ResourceError, match="File exists"):
        atomic.make_directory(tmp_path / "a", exist_ok=False)
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ResourceError, match="cannot create the folder"):
            atomic.make_directory(path)


def test_a_folder_that_is_there_is_enough_even_below_one_that_may_not_be_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As /home is on many clusters (mode 711); tests may run as root, so the refusal is made."""
    (tmp_path / "me").mkdir()
    monkeypatch.setattr(atomic, "os", FaultyOs(1, refusal(errno.EACCES), for_ever=True))
    assert atomic.make_directory(tmp_path / "me") == tmp_path / "me"


def test_where_folders_cannot_be_synced_nothing_is_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watching = FaultyOs(1000, short_write)
    monkeypatch.setattr(atomic, "os", watching)
    monkeypatch.delattr(os, "O_DIRECTORY")
    atomic.sync_directory(tmp_path)
    assert watching.log == []


def test_an_unknown_refusal_is_told_in_the_words_of_the_system(tmp_path: Path) -> None:
    assert str(atomic.refused(tmp_path, OSError("odd"))) == f"cannot write {tmp_path}: odd"


def disk(**found: int) -> Callable[[Path], os.statvfs_result]:
    """``os.statvfs`` of a disk with 1,000 files that holds 2 MB more, unless told otherwise."""
    names = ("bsize", "frsize", "blocks", "bfree", "bavail", "files", "ffree", "favail", "flag", "namemax")
    usual = {"bsize": 1 << 20, "frsize": 1000, "bavail": 2050, "files": 1000, "favail": 7}

    def statvfs(path: Path) -> os.statvfs_result:
        assert path.is_dir()
        return os.statvfs_result([{**usual, **found}.get(name, 0) for name in names])

    return statvfs


@pytest.mark.parametrize(
    ("code", "found", "words"),
    [
        (errno.ENOSPC, {}, "the disk is full: need about 3.1 MB, 2.0 MB are free"),
        (errno.ENOSPC, {"files": 0, "favail": 0}, "the disk is full: need about 3.1 MB, 2.0 MB are free"),
        (errno.ENOSPC, {"favail": 0}, "the disk has no room for another file, however small (its inodes are used up)"),
        (errno.EDQUOT, {}, "your disk quota is used up: need about 3.1 MB"),
    ],
)
def test_k09_a_full_disk_says_how_much_is_needed(
    code: int, found: dict[str, int], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(FaultyOs):
        statvfs = staticmethod(disk(**found))

        def fsync(self, descriptor: int) -> None:
            raise OSError(code, os.strerror(code))

    monkeypatch.setattr(atomic, "os", Full(1000, short_write))
    with pytest.raises(ResourceError) as caught:
        atomic.write_chunks(
            tmp_path / "file", [bytes(3_000_000), memoryview(np.zeros(1000, np.float32)), bytes(96_000)]
        )
    end = "; free some space or choose another folder with --out"
    assert str(caught.value) == f"cannot write {tmp_path / 'file'}: {os.strerror(code)} - {words}{end}"


def test_k09_a_full_disk_of_which_nothing_is_known(tmp_path: Path) -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    end = "the disk is full; free some space or choose another folder with --out"
    assert str(atomic.refused(tmp_path / "none" / "file", full)).endswith(f" - {end}")


def test_every_way_to_write_keeps_what_is_there_unless_told(tmp_path: Path) -> None:
    path = tmp_path / "file"
    writers: list[tuple[Callable[..., str], Any]] = [
        (atomic.write_bytes, b"x"),
        (atomic.write_text, "x"),
        (atomic.write_json, {"x": 1}),
    ]
    for write, content in writers:
        path.write_bytes(OLD)
        with pytest.raises(UsageError):
            write(path, content, overwrite=False)
        assert path.read_bytes() == OLD
        assert write(path, content) == atomic.sha256_of(path)


def test_a_folder_is_not_made_where_what_must_hold_it_is_gone(tmp_path: Path) -> None:
    assert atomic.make_directory(tmp_path / "run" / "a", within=tmp_path).is_dir()
    with pytest.raises(
        ResourceError, match=r"cannot create the folder .*gone/b.*the folder does not exist \(any more\)"
    ):
        atomic.make_directory(tmp_path / "gone" / "b", within=tmp_path / "gone")
    assert names(tmp_path) == ["run"]


def test_a_folder_appears_with_everything_in_it_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "new"
    atomic.write_folder(path, ["a", "a/b"], [("a/b/c", b"1"), ("d", b"2")])
    assert {p.relative_to(path).as_posix(): p.is_dir() or p.read_bytes() for p in path.rglob("*")} == {
        "a": True,
        "a/b": True,
        "a/b/c": b"1",
        "d": b"2",
    }
    with pytest.raises(UsageError, match="A folder is never replaced"):
        atomic.write_folder(path, [], [("d", b"3")])
    assert (path / "d").read_bytes() == b"2"

    def full() -> Iterator[tuple[str, bytes]]:
        yield "a", b"1"
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(ResourceError, match=r"cannot create the folder .*other.*the disk is full"):
        atomic.write_folder(tmp_path / "other", [], full())
    assert names(tmp_path) == ["new"]
    synced: list[str] = []
    monkeypatch.setattr(atomic.os, "sync", lambda: synced.append("files"))
    monkeypatch.setattr(atomic, "sync_directory", lambda folder: synced.append(folder.name))
    atomic.write_folder(tmp_path / "third", [], [])
    assert synced == ["files", tmp_path.name]


def test_what_the_system_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that nobody has yet, closed to children; folders as folders."""
    asked: list[tuple[Any, ...]] = []

    class Watching(FaultyOs):
        def open(self, path: Path, *how: int) -> int:
            asked.append((Path(path).parent, *how))
            return os.open(path, *how)

    monkeypatch.setattr(atomic, "os", Watching(1000, short_write))
    atomic.write_bytes(tmp_path / "file", b"x")
    assert asked == [
        (tmp_path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666),
        (tmp_path.parent, os.O_RDONLY | os.O_DIRECTORY),
    ]


def test_temporary_files_say_whose_they_are_and_of_which_file(tmp_path: Path) -> None:
    seen: list[str] = []

    def chunks() -> Iterator[bytes]:
        seen.extend(names(tmp_path))
        yield b""

    atomic.write_chunks(tmp_path / ("n" * 50), chunks())

    def files() -> Iterator[tuple[str, bytes]]:
        seen.extend(name for name in names(tmp_path) if "m" in name)
        yield "x", b""

    atomic.write_folder(tmp_path / ("m" * 120), [], files())
    file, folder = seen
    assert re.fullmatch(rf"\.n{{40}}\.{os.getpid()}\.[0-9a-f]{{8}}\.tmp", file)
    assert re.fullmatch(rf"\.m{{100}}\.{os.getpid()}\.[0-9a-f]{{8}}\.tmp", folder)


def test_what_is_said_word_for_word(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(OLD)
    (tmp_path / "link").symlink_to("nowhere")
    said = []
    for call in (
        lambda: atomic.write_bytes(tmp_path / "file", b"", overwrite=False),
        lambda: atomic.write_bytes(tmp_path / "none" / "file", b""),
        lambda: atomic.write_folder(tmp_path / "link", [], []),
        lambda: atomic.write_folder(tmp_path / "none" / "folder", [], []),
        lambda: atomic.make_directory(tmp_path / "file" / "folder"),
        lambda: atomic.make_directory(tmp_path / "folder", within=tmp_path / "none"),
        lambda: atomic.sha256_of(tmp_path / "none"),
    ):
        with pytest.raises(TenfoldError) as caught:
            call()
        said.append(str(caught.value).replace(str(tmp_path), "HERE"))
    gone = "No such file or directory - the folder does not exist (any more)"
    assert said == [
        "HERE/file exists; nothing was written. Pass --force to replace it, or choose another name",
        f"cannot write HERE/none/file: {gone}",
        "HERE/link exists; nothing was written. A folder is never replaced: choose another name",
        f"cannot create the folder HERE/none/folder: {gone}",
        "cannot create the folder HERE/file/folder: Not a directory - part of the path is a file, not a folder",
        f"cannot create the folder HERE/folder: {gone}",
        f"cannot read HERE/none: {gone}",
    ]
    with pytest.raises(NotADirectoryError):
        atomic.sync_directory(tmp_path / "file")


def test_files_of_another_machine_may_be_seen_late_but_not_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = tmp_path / "late"
    timer = threading.Timer(0.15, late.touch)
    timer.start()
    atomic.wait_for_files([tmp_path, late])
    assert late.exists()
    timer.join()
    monkeypatch.setattr(atomic, "PATIENCE_SECONDS", 0.3)
    with pytest.raises(ResourceError) as caught:
        atomic.wait_for_files([late, tmp_path / "none"])
    assert (
        str(caught.value)
        == f"{tmp_path / 'none'} was written, but cannot be seen from here after 0 seconds; do all machines see the"
        " folder under the same path? What is finished is kept, resume to go on"
    )
