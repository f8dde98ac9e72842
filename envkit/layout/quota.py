"""Quotas of users and groups, read with quotactl(2): no library does so, and containers have no program for it.

statvfs(2) includes quotas of projects (ext4, XFS). Quotas of NFS, Lustre and GPFS servers, of btrfs and of ZFS are
not in the kernel's interface; they show as EDQUOT only.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import platform
import stat
import sys
from pathlib import Path

from envkit.checks.quota import Quota
from envkit.layout.filesystem import read_mount

# linux/quota.h
_GETQUOTA = 0x800007
_USER, _GROUP = 0, 1
_BLOCK = 1024  # unit of the limits; usage is counted in bytes
# quotactl_fd(2), Linux 5.14: the same number on all architectures except alpha. It needs no block device in /dev.
_QUOTACTL_FD = 443
_CAP_SYS_RESOURCE = 24  # capabilities(7): overrides quotas


class _Block(ctypes.Structure):
    """``struct if_dqblk``."""

    _fields_ = (
        ("hard_blocks", ctypes.c_uint64),
        ("soft_blocks", ctypes.c_uint64),
        ("used_bytes", ctypes.c_uint64),
        ("hard_inodes", ctypes.c_uint64),
        ("soft_inodes", ctypes.c_uint64),
        ("used_inodes", ctypes.c_uint64),
        ("bytes_until", ctypes.c_uint64),
        ("inodes_until", ctypes.c_uint64),
        ("valid", ctypes.c_uint32),
    )


def read_quotas(folder: Path) -> tuple[Quota, ...]:
    """Read the quotas that apply to files that this process writes into a folder.

    Empty if the kernel has none (ENOSYS), the file system has none (ESRCH, ENODEV, EOPNOTSUPP), or this user may not
    ask (EPERM).
    """
    if not sys.platform.startswith("linux") or platform.machine() == "alpha":
        return ()
    try:
        found = _read(folder)
        if not found:
            return ()
        # Quotas apply to every user, on XFS to every user but root, whose entry there holds the defaults.
        if read_mount(folder).fs_type != "xfs":
            return () if _above_limits() else tuple(quota for _, quota in found)
    except (OSError, AttributeError, ValueError):
        return ()
    return tuple(quota for number, quota in found if number != 0)


def _read(folder: Path) -> list[tuple[int, Quota]]:
    """Read the number of the user and the group, each with its quota."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        state = os.fstat(descriptor)
        # New files in a setgid folder get its group.
        group = state.st_gid if state.st_mode & stat.S_ISGID else os.getegid()
        found = []
        for kind, number, word in ((_USER, os.geteuid(), "user"), (_GROUP, group, "group")):
            block = _Block()
            command = ctypes.c_int((_GETQUOTA << 8 | kind) - (1 << 32))  # QCMD, as a signed int
            done = libc.syscall(
                ctypes.c_long(_QUOTACTL_FD),
                ctypes.c_int(descriptor),
                command,
                ctypes.c_int(number),
                ctypes.byref(block),
            )
            if done != 0 and ctypes.get_errno() == errno.ENOSYS:  # an older kernel
                source = os.fsencode(read_mount(folder).source)
                done = libc.quotactl(command, ctypes.c_char_p(source), ctypes.c_int(number), ctypes.byref(block))
            if done == 0:
                found.append((number, _quota(f"{word} {number}", block)))
        return found
    finally:
        os.close(descriptor)


def _quota(whose: str, b: _Block) -> Quota:
    hard, soft = b.hard_blocks * _BLOCK, b.soft_blocks * _BLOCK
    inodes = (b.used_inodes, b.hard_inodes, b.soft_inodes, b.inodes_until)
    return Quota(whose, b.used_bytes, hard, soft, b.bytes_until, *inodes)


def _above_limits() -> bool:
    with contextlib.suppress(OSError):  # /proc/self belongs to root after a change of user
        for line in Path("/proc/self/status").read_bytes().splitlines():
            name, _, value = line.partition(b":")
            if name == b"CapEff":
                return bool(int(value, 16) >> _CAP_SYS_RESOURCE & 1)
    return False
