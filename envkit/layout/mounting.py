"""Mount the pack of a generation at its path, for this process and those that it starts.

The mount is in a mount namespace of its own (mount_namespaces(7)): it is gone when its last process has ended, however
that ends. Root mounts through a loop device; others in a user namespace, by squashfuse, which ends with the last
process that holds a pipe. Runs before jobs, so it imports the standard library only.
"""

from __future__ import annotations

import os
import sys
import time

from envkit.errors import EnvkitError, VolumeError
from envkit.paths import PACKED, PACKS, PRIVATE, split_generation

_NEW_NAMESPACE, _NEW_USER = 0x00020000, 0x10000000  # CLONE_NEWNS, CLONE_NEWUSER
_PRIVATE_TREE = 0x4000 | 0x40000  # MS_REC | MS_PRIVATE
# _LINUX_CAPABILITY_VERSION_3; PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SYS_ADMIN
_CAPABILITY_VERSION, _AMBIENT, _RAISE, _MAY_MOUNT = 0x20080522, 47, 2, 21
_WAIT_S = 20.0
_OPTIONS = "ro,nosuid,nodev"
# Its standard input ends with the last process that has the other end of the pipe.
_KEEPER = 'squashfuse -f -o "$0" "$1" "$2" & cat >/dev/null; kill $!; wait'


def is_packed(prefix: str | os.PathLike[str]) -> bool:
    """Return whether a generation is only a pack, which is not mounted at its path now."""
    return os.path.exists(os.path.join(prefix, PACKED))


def enter_packed(prefix: str) -> None:
    """Mount the pack of a generation at its path, if it is one, for this process and those that it starts.

    The process must have one thread.

    Raises:
        VolumeError: The pack is not there, or nothing here can mount it.
    """
    if not is_packed(prefix):
        return
    pack = _pack_of(prefix)
    if sys.platform != "linux" or not pack.endswith(".squashfs"):
        raise _cannot(prefix, "its pack is no squashfs, or this is not Linux")
    if os.geteuid() == 0:
        _unshare(prefix, _NEW_NAMESPACE)
        if not _is_mine(prefix, pack) or not _mount_loop(pack, prefix):
            _mount_fuse(pack, prefix)
    else:
        import shutil

        uid, gid = os.geteuid(), os.getegid()
        if shutil.which("squashfuse") is None:
            raise _cannot(prefix, "squashfuse is not installed")
        _unshare(prefix, _NEW_NAMESPACE | _NEW_USER)
        for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
            with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
                file.write(text)
        _mount_fuse(pack, prefix)


def _pack_of(prefix: str) -> str:
    import json

    from envkit.layout.private import read_file

    found = split_generation(prefix)
    try:
        name = str(json.loads(read_file(os.path.join(prefix, PACKED), limit=1 << 16))["file"])
    except (OSError, ValueError, KeyError, TypeError, EnvkitError) as error:
        raise _cannot(prefix, f"its note cannot be read ({type(error).__name__})") from error
    root = found[0] if found is not None else prefix
    pack = os.path.join(root, PRIVATE, PACKS, os.path.basename(name))
    if not os.path.isfile(pack):
        raise VolumeError(f"{prefix} is only a pack, and {pack} is not there", hint="Make the environment again.")
    return pack


def _cannot(prefix: str, why: str) -> VolumeError:
    return VolumeError(
        f"{os.path.basename(prefix)} is only a pack, which cannot be mounted here: {why}",
        hint="Run in a copy on this node's disk: envkit run --stage DIR NAME -- CMD.",
    )


def _is_mine(prefix: str, pack: str) -> bool:
    """Return whether nobody else can have written the pack: the kernel trusts a file system that root mounts."""
    found = split_generation(prefix)
    owners = {0, os.stat(found[0]).st_uid} if found is not None else {0}
    state = os.lstat(pack)
    return state.st_uid in owners and not state.st_mode & 0o022


def _unshare(prefix: str, flags: int) -> None:
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(flags) != 0:
        reason = os.strerror(ctypes.get_errno())
        raise _cannot(prefix, f"this process may have no namespace of its own ({reason})")
    # Where the namespace is another user's, no mount of it reaches the one before in any case.
    libc.mount(b"none", b"/", None, _PRIVATE_TREE, None)


def _mount_loop(pack: str, prefix: str) -> bool:
    import subprocess

    words = ["mount", "-t", "squashfs", "-o", f"loop,{_OPTIONS}", pack, prefix]
    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except OSError:
        return False
    return done.returncode == 0


def _keep_mounting() -> None:
    """Let programs that this process starts mount, too, in a user namespace where it is not root (capabilities(7))."""
    import ctypes

    libc = ctypes.CDLL(None)
    head = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted and inheritable: the lower halves, then the upper ones
    libc.capget(head, sets)
    sets[2], sets[5] = sets[1], sets[4]
    libc.capset(head, sets)
    libc.prctl(_AMBIENT, _RAISE, _MAY_MOUNT, 0, 0)


def _mount_fuse(pack: str, prefix: str) -> None:
    import shutil
    import subprocess

    if shutil.which("squashfuse") is None:
        raise _cannot(prefix, "squashfuse is not installed")
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:  # the keeper is nobody's child: the command waits for its own alone
        try:
            _keep_mounting()
            subprocess.Popen(
                ["sh", "-c", _KEEPER, _OPTIONS, pack, prefix],
                stdin=reading,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(reading)
    deadline = time.monotonic() + _WAIT_S
    while is_packed(prefix):
        if time.monotonic() > deadline:
            os.close(writing)
            raise _cannot(prefix, "squashfuse did not mount it; is there /dev/fuse?")
        time.sleep(0.01)
    os.set_inheritable(writing, True)  # noqa: FBT003 - its only form
