"""Files that lie about their GPU code end in an answer or a clear error, and are not read again and again."""

from __future__ import annotations

import bz2
import contextlib
import os
import random
import resource
import time
from pathlib import Path

import pytest
from gpu_files import Entry, conda_bytes, elf, fatbin, tar_bytes, zip_bytes
from gpu_fuzz import SEEDS, mutate
from hypothesis import given, settings
from hypothesis import strategies as st

from envkit.errors import IntegrityError
from envkit.gpucode.read import begins_like_code, read_gpu_code
from envkit.gpucode.source import MalformedCodeError, MemoryBytes
from envkit.models.gpucode import Architecture, GpuLibrary
from envkit.scan.archive import scan_archive

SECONDS, SEED = float(os.environ.get("ENVKIT_TEST_FUZZ_S", "600")), int(os.environ.get("ENVKIT_TEST_FUZZ_SEED", "17"))
_FILES = {"lib/a.so": SEEDS[0], "lib/b.so": SEEDS[1], "readme": b"text" * 99}
ARCHIVES = (zip_bytes(_FILES), conda_bytes(_FILES), bz2.compress(tar_bytes(_FILES)), tar_bytes(_FILES))
_MOST_READ = 100  # bytes read for each byte of the file: a magic number at every fourth byte costs a look
_SPARE = 1 << 16
_KEPT = 200


class Counting(MemoryBytes):
    """A file in memory that counts what is read of it."""

    taken = 0

    def read(self, offset: int, size: int) -> bytes:
        assert offset >= 0
        assert 0 <= size <= self.size, "more is asked for than there is"
        self.taken += size
        return super().read(offset, size)


def check(data: bytes) -> GpuLibrary | None:
    source = Counting(data)
    try:
        found = read_gpu_code(source, "it")
    except MalformedCodeError:
        found = None
    assert source.taken <= _MOST_READ * len(data) + _SPARE
    if found is not None and found.has_code:
        assert begins_like_code(data[:64])
        assert all(number > 0 for number in found.sass.values())
        assert all(Architecture.parse(str(arch)) == arch for arch in (*found.sass, *found.ptx))
    return found


@settings(max_examples=400, deadline=None)
@given(seed=st.sampled_from(SEEDS), chance=st.randoms(use_true_random=False))
def test_a_changed_file_is_read_or_refused(seed: bytes, chance: random.Random) -> None:
    check(mutate(chance, seed))


@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=300), beginning=st.sampled_from([seed[:20] for seed in SEEDS]))
def test_random_bytes_are_read_or_refused(data: bytes, beginning: bytes) -> None:
    check(beginning + data)
    check(data)


_ARCHS = st.sampled_from(["5.0", "7.5", "8.0", "8.6", "9.0", "9.0a", "10.0f", "12.0", "12.1a"])


_ENTRIES = st.tuples(_ARCHS, st.sampled_from(["", "7.8", "9.0"])).map(lambda pair: Entry(*pair))


@settings(max_examples=100, deadline=None)
@given(regions=st.lists(st.lists(_ENTRIES, max_size=6), max_size=6))
def test_what_is_written_is_what_is_read(regions: list[list[Entry]]) -> None:
    section = b"".join(region + bytes(-len(region) % 8) for region in (fatbin(*entries) for entries in regions))
    found = check(elf({".text": b"code", ".nv_fatbin": section}))
    assert found is not None
    written = [entry for entries in regions for entry in entries]
    assert sum(found.sass.values()) == sum(not entry.isa for entry in written)
    for arch, code in found.ptx.items():
        isas = [entry.isa for entry in written if entry.isa and entry.arch == str(arch)]
        assert (code.entries, str(code.isa)) == (len(isas), max(isas))


@pytest.mark.full
@pytest.mark.timeout(1200)
def test_ten_minutes_of_files_that_lie(tmp_path: Path) -> None:
    chance, end, done, slowest = random.Random(SEED), time.monotonic() + SECONDS, 0, 0.0
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    pool = list(SEEDS)
    while time.monotonic() < end:
        data = mutate(chance, chance.choice(pool))
        began = time.process_time()
        try:
            check(data)
        except Exception as error:
            kept = tmp_path / "failure"
            kept.write_bytes(data)
            raise AssertionError(f"after {done} files: {kept}") from error
        slowest = max(slowest, time.process_time() - began)
        if chance.random() < 0.01:  # changed files are changed further
            pool = [*SEEDS, *pool[len(SEEDS) :][-_KEPT:], data]
        done += 1
        if done % 50 == 0:
            _check_archive(chance, tmp_path / "archive")
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    told = f"{done} files, the slowest took {slowest:.3f} s, memory grew by {grown} KiB"
    assert slowest < 10, told
    assert grown < 200_000, told


def _check_archive(chance: random.Random, path: Path) -> None:
    path.write_bytes(mutate(chance, chance.choice(ARCHIVES)))
    with contextlib.suppress(IntegrityError):
        scan_archive(path)
