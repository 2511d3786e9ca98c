"""A cache changes how long a series takes and nothing else: not after a change of the files, nor when it is damaged."""

import multiprocessing
import os
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEG2000Lossless, RLELossless

from dotaliver.dicom.files.headers import CACHE_MARK, index_folder
from dotaliver.dicom.files.stack import stack_of
from dotaliver.dicom.pixels import planes
from dotaliver.dicom.pixels.cache import cache_in_use, plane_cache
from dotaliver.dicom.pixels.lazy import lazy_ct
from dotaliver.dicom.pixels.series import ct_volume, read_stored
from dotaliver.errors import FileFormatError
from dotaliver.omezarr.planes import PlaneImage
from fixtures.dicom_series import ramp, rewritten, write_series


@pytest.fixture
def stored():
    return np.random.default_rng(0).integers(-1000, 1000, (40, 32, 40)).astype(np.int16)


@pytest.fixture
def series(tmp_path, stored):
    """A compressed CT."""
    return written(tmp_path / "series", stored)


def written(folder, stored, syntax=JPEG2000Lossless):
    for path in write_series(folder, modality="CT", stored=stored, uid="1.2.3", intercept=-24.0):
        rewritten(path, syntax)
    return folder


def stack_in(folder):
    (series,) = index_folder(folder).series
    return stack_of(series)


class Read:
    """What was read, what was told, and how many planes came from their files."""

    def __init__(self, folder, cache, read=read_stored):
        self.told, self.files = [], 0
        original = planes._slice_reader

        def counting(*arguments):
            inner = original(*arguments)

            def one(part, out):
                self.files += 1
                inner(part, out)

            return one

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(planes, "_slice_reader", counting)
            with plane_cache(cache, self.told.append):
                self.found = read(stack_in(folder))


def entries(cache):
    return sorted(p for p in cache.iterdir() if p.name != CACHE_MARK)


def shard(cache):
    (entry,) = entries(cache)
    return entry / "0" / "c" / "0" / "0" / "0"


def test_the_second_time_no_file_is_decoded(tmp_path, series, stored):
    first, second = Read(series, tmp_path / "cache"), Read(series, tmp_path / "cache")
    assert (first.files, second.files) == (40, 0)
    assert first.told == second.told == []
    np.testing.assert_array_equal(first.found, stored)
    np.testing.assert_array_equal(second.found, stored)
    assert second.found.dtype == stored.dtype


def test_without_a_cache_there_is_none(series):
    assert Read(series, None).files == 40
    assert cache_in_use() is None


def test_a_series_that_is_read_in_parts_is_kept_and_taken_from_the_cache(tmp_path, series):
    whole = ct_volume(stack_in(series))
    first = Read(series, tmp_path / "cache", lambda stack: lazy_ct(stack, 0))
    assert first.files == 40  # for the hash
    np.testing.assert_array_equal(first.found.loaded().array, whole.array)
    assert first.files == 40  # and not again
    second = Read(series, tmp_path / "cache", lambda stack: lazy_ct(stack, 0))
    assert second.found.sha256() == whole.sha256()
    np.testing.assert_array_equal(second.found.loaded().array, whole.array)
    assert second.files == 0


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int32])
def test_every_type_comes_back(tmp_path, dtype):
    limits = np.iinfo(dtype)
    stored = np.random.default_rng(1).integers(limits.min, limits.max, (5, 9, 7), dtype, endpoint=True)
    stored[2] = 0
    bits = {"BitsAllocated": limits.bits, "BitsStored": limits.bits, "HighBit": limits.bits - 1}
    for path in write_series(tmp_path / "s", modality="CT", stored=stored, elements=bits):
        rewritten(path, DeflatedExplicitVRLittleEndian)
    plain = read_stored(stack_in(tmp_path / "s"))
    assert Read(tmp_path / "s", tmp_path / "c").files == 5
    second = Read(tmp_path / "s", tmp_path / "c")
    assert second.files == 0
    np.testing.assert_array_equal(second.found, plain)
    np.testing.assert_array_equal(second.found, stored)
    assert second.found.dtype == plain.dtype == dtype


@pytest.mark.parametrize(("syntax", "bits"), [(None, 16), (None, 12), (RLELossless, 16)])
def test_what_is_read_as_quickly_from_its_files_is_not_kept(tmp_path, stored, syntax, bits):
    elements = {"BitsStored": bits, "HighBit": bits - 1}
    for path in write_series(tmp_path / "s", modality="CT", stored=stored, elements=elements):
        if syntax is not None:
            rewritten(path, syntax)
    assert Read(tmp_path / "s", tmp_path / "c").files == 40
    assert not (tmp_path / "c").exists()


def test_the_folder_tells_nothing_of_the_patient(tmp_path, series):
    Read(series, tmp_path / "cache")
    names = " ".join(str(p.relative_to(tmp_path)) for p in (tmp_path / "cache").rglob("*"))
    told = b" ".join(p.read_bytes() for p in (tmp_path / "cache").rglob("*") if p.is_file())
    for secret in ("Secret", "PAT-1", "1.2.3", "20260302", "series/"):
        assert secret not in names
        assert secret.encode() not in told


def test_a_cache_in_the_study_is_no_part_of_it(series):
    before = index_folder(series)
    Read(series, series / "cache")
    after = index_folder(series)
    assert after.other_files == before.other_files == ()
    assert [len(s.slices) for s in after.series] == [40]


# --- files that changed ------------------------------------------------------------------------------------------


def put(path, plane):
    """Other pixels in a file of the same length and with its old time."""
    before = path.stat()
    ds = pydicom.dcmread(path)
    ds.PixelData = plane.tobytes()
    ds.save_as(path)
    data = path.read_bytes()
    path.write_bytes(data + b"\0" * (before.st_size - len(data)))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def test_a_file_that_changed_behind_its_old_time_and_size_is_read(tmp_path):
    paths = write_series(tmp_path / "s", modality="CT", stored=ramp((4, 50, 60)))
    for path in paths:
        rewritten(path, DeflatedExplicitVRLittleEndian)
    Read(tmp_path / "s", tmp_path / "c")
    put(paths[2], np.full((50, 60), 7, np.int16))
    second = Read(tmp_path / "s", tmp_path / "c")
    assert second.files == 4
    assert (second.found[2] == 7).all()
    third = Read(tmp_path / "s", tmp_path / "c")
    assert third.files == 0
    assert (third.found[2] == 7).all()
    assert len(entries(tmp_path / "c")) == 1


def test_a_file_that_changes_while_it_is_read_is_not_kept(tmp_path, series):
    def touching(stack):
        found = read_stored(stack)
        assert not entries(tmp_path / "cache")
        return found

    with pytest.MonkeyPatch.context() as patch:
        original = planes._slice_reader

        def changing(*arguments):
            inner = original(*arguments)

            def one(part, out):
                inner(part, out)
                os.utime(part.path, ns=(1, 1))

            return one

        patch.setattr(planes, "_slice_reader", changing)
        with plane_cache(tmp_path / "cache", pytest.fail):
            touching(stack_in(series))


def test_another_series_of_the_same_uid_is_not_served(tmp_path, series, stored):
    other = written(tmp_path / "other", stored + 1)
    Read(series, tmp_path / "cache")
    found = Read(other, tmp_path / "cache")
    assert found.files == 40
    np.testing.assert_array_equal(found.found, stored + 1)
    np.testing.assert_array_equal(Read(series, tmp_path / "cache").found, stored)


# --- caches that are damaged, or cannot be ------------------------------------------------------------------------


def flip(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 0x55
    path.write_bytes(data)


def exchange_planes(cache):
    """Two entries of the index for each other, with a checksum that fits: only the hashes can tell."""
    import google_crc32c

    path = shard(cache)
    data = bytearray(path.read_bytes())
    index = np.frombuffer(data[-644:-4], "<u8").reshape(40, 2).copy()
    index[[3, 4]] = index[[4, 3]]
    data[-644:-4] = index.tobytes()
    data[-4:] = google_crc32c.value(index.tobytes()).to_bytes(4, "little")
    path.write_bytes(data)


DAMAGE = {
    "a flipped byte": lambda c: flip(shard(c), 3000),
    "a flipped byte in the index": lambda c: flip(shard(c), -10),
    "two planes for each other": exchange_planes,
    "no voxels": lambda c: shard(c).unlink(),
    "voxels cut short": lambda c: shard(c).write_bytes(shard(c).read_bytes()[:500]),
    "no bytes": lambda c: shard(c).write_bytes(b""),
    "no metadata of the array": lambda c: (entries(c)[0] / "0" / "zarr.json").unlink(),
    "other metadata": lambda c: (entries(c)[0] / "zarr.json").write_text("{}"),
    "no JSON": lambda c: (entries(c)[0] / "zarr.json").write_text("{"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_cache_is_told_thrown_away_and_made_anew(tmp_path, series, stored, damage):
    cache = tmp_path / "cache"
    Read(series, cache)
    DAMAGE[damage](cache)
    second = Read(series, cache)
    np.testing.assert_array_equal(second.found, stored)
    assert second.told == ["CT series 3: the cached copy is damaged and was discarded; reading the files"]
    assert second.files > 0
    Read(series, cache)
    last = Read(series, cache)
    assert (last.files, last.told) == (0, [])


def test_a_cache_that_goes_while_it_is_read_is_not_missed(tmp_path, series):
    cache = tmp_path / "cache"
    Read(series, cache)
    with plane_cache(cache, lambda _: None):
        volume = lazy_ct(stack_in(series), 0)
        expected = volume.loaded().array
        shard(cache).unlink()
        np.testing.assert_array_equal(volume.loaded().array, expected)


def test_nothing_is_kept_of_a_series_with_a_damaged_file(tmp_path, series):
    path = sorted(series.iterdir())[20]
    path.write_bytes(path.read_bytes()[:-150])
    with pytest.raises(FileFormatError, match=path.name):
        Read(series, tmp_path / "cache")
    assert entries(tmp_path / "cache") == []


@pytest.mark.parametrize("what", ["a file", "below a file"])
def test_a_cache_that_cannot_be_made_is_said_once_and_the_series_is_read(tmp_path, series, stored, what):
    (tmp_path / "cache").write_text("")
    place = tmp_path / "cache" if what == "a file" else tmp_path / "cache" / "deep"
    found = Read(series, place, lambda stack: [read_stored(stack), read_stored(stack)])
    assert len(found.told) == 1
    assert found.told[0].startswith("the cache cannot be written (")
    assert found.told[0].endswith("; continuing without it")
    np.testing.assert_array_equal(found.found[1], stored)


def test_a_full_disk_is_said_once_and_the_series_is_read(tmp_path, series, stored, monkeypatch):
    def full(*_arguments, **_options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("dotaliver.omezarr.writing.ImageWriter.put", full)
    found = Read(series, tmp_path / "cache")
    assert found.told == ["the cache cannot be written (No space left on device); continuing without it"]
    np.testing.assert_array_equal(found.found, stored)
    assert entries(tmp_path / "cache") == []


def test_a_file_that_grows_past_a_limit_is_a_full_disk(tmp_path, series):
    """In a process of its own, whose files may not grow past a few bytes, as on a full disk."""
    code = (
        "import resource, signal, sys; from pathlib import Path; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "from dotaliver.dicom.files.headers import index_folder; from dotaliver.dicom.files.stack import stack_of\n"
        "from dotaliver.dicom.pixels.series import read_stored; from dotaliver.dicom.pixels.cache import plane_cache\n"
        "stack = stack_of(index_folder(Path(sys.argv[1])).series[0])\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))\n"
        "with plane_cache(Path(sys.argv[2]), print): print(read_stored(stack).shape)\n"
    )
    command = [sys.executable, "-c", code, str(series), str(tmp_path / "cache")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].startswith("the cache cannot be written (")
    assert done.stdout.splitlines()[1] == "(40, 32, 40)"
    assert entries(tmp_path / "cache") == []


# --- several at once ---------------------------------------------------------------------------------------------


def read_in_process(folder, cache, start, answers):
    start.wait()
    told = []
    with plane_cache(Path(cache), told.append):
        answers.put((int(read_stored(stack_in(Path(folder))).astype(np.int64).sum()), told))


def test_two_processes_that_write_the_same_entry_leave_one_that_is_whole(tmp_path, series, stored):
    context = multiprocessing.get_context("spawn")
    start, answers = context.Event(), context.Queue()
    arguments = (str(series), str(tmp_path / "cache"), start, answers)
    processes = [context.Process(target=read_in_process, args=arguments) for _ in range(2)]
    for process in processes:
        process.start()
    start.set()
    assert [answers.get(timeout=600) for _ in processes] == [(int(stored.astype(np.int64).sum()), [])] * 2
    for process in processes:
        process.join(60)
    assert len(entries(tmp_path / "cache")) == 1
    last = Read(series, tmp_path / "cache")
    assert (last.files, last.told) == (0, [])


def test_an_entry_that_another_process_replaces_while_it_is_read_is_not_called_damaged(tmp_path, series, stored):
    """As where both found no entry, both read the files, and the second puts its copy in place of the first's."""
    Read(series, tmp_path / "cache")
    fill, replaced = PlaneImage.fill, []

    def replacing(image, k, out):
        if not replaced:
            (entry,) = entries(tmp_path / "cache")
            replaced.append(entry)
            copy = shutil.copytree(entry, tmp_path / "copy")
            shutil.rmtree(entry)
            try:
                fill(image, k, out)
            finally:
                copy.rename(entry)
        else:
            fill(image, k, out)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PlaneImage, "fill", replacing)
        again = Read(series, tmp_path / "cache")
    assert replaced
    assert (again.files, again.told) == (0, [])
    np.testing.assert_array_equal(again.found, stored)


def test_a_process_that_is_killed_leaves_no_entry_that_would_be_read(tmp_path, series, stored):
    code = (
        "import sys, time; from pathlib import Path; from dotaliver.dicom.pixels import cache as c\n"
        "from dotaliver.dicom.files.headers import index_folder; from dotaliver.dicom.files.stack import stack_of\n"
        "from dotaliver.dicom.pixels.series import read_stored\n"
        "c.put_in_place = lambda *a, **k: (print('now', flush=True), time.sleep(60))\n"
        "with c.plane_cache(Path(sys.argv[2]), print):\n"
        "    read_stored(stack_of(index_folder(Path(sys.argv[1])).series[0]))\n"
    )
    command = [sys.executable, "-c", code, str(series), str(tmp_path / "cache")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "now\n"
        process.send_signal(signal.SIGKILL)
    (left,) = entries(tmp_path / "cache")
    assert left.name.endswith(".part")
    found = Read(series, tmp_path / "cache")
    assert (found.files, found.told) == (40, [])
    assert not left.exists()
    assert Read(series, tmp_path / "cache").files == 0
    assert len(entries(tmp_path / "cache")) == 1


def test_files_of_the_cache_may_be_shared_like_any_output(tmp_path, series):
    Read(series, tmp_path / "cache")
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(shard(tmp_path / "cache").stat().st_mode) == 0o666 & ~mask
