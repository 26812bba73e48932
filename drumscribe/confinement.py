"""Processes that handle what strangers sent, with as little as they need. Linux; elsewhere only the limits hold.

A process that only computes on files that are open already (a decoder) gets a list of the system calls it may make,
in which there is none to open a file, to connect, to start a program, or to signal another process. A program of
somebody else's (an engraver) keeps its files, but gets no socket to another machine. Both have limits on processor
time, memory, and the size of files, and can gain no privileges; a decoder that root started becomes nobody.

The system calls are held by libseccomp, which every Debian has (apt needs it); without it a namespace without network
is tried. ``in_force`` says what this machine grants.

    python -I -S confinement.py CPU_S MEMORY_MB FILE_MB REQUIRE PROGRAM...     (see :func:`command`)

This module is run as a script before the program, so it imports nothing but the standard library.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from collections.abc import Sequence
from functools import lru_cache

LIMITS, PRIVILEGES, CALLS, NETWORK, NOBODY = (
    "limits of time and memory", "no new privileges", "system calls listed (seccomp)", "no network (namespace)",
    "user nobody",
)  # fmt: skip
NEEDED = (LIMITS, PRIVILEGES, CALLS)
"""What has to be in force where REQUIRE_CONFINEMENT is set."""
_COMPUTES = (
    "read", "readv", "pread64", "write", "writev", "pwrite64", "lseek", "_llseek", "close", "fstat", "fcntl", "poll",
    "ppoll", "ftruncate", "fsync", "fdatasync", "msync", "mmap", "mprotect", "munmap", "mremap", "madvise", "brk",
    "futex", "set_robust_list", "rseq", "membarrier", "sched_yield", "sched_getaffinity", "getcpu", "clone", "exit",
    "exit_group", "getpid", "gettid", "tgkill", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack",
    "restart_syscall", "clock_gettime", "clock_getres", "gettimeofday", "time", "times", "nanosleep",
    "clock_nanosleep", "getrusage", "getrandom", "sysinfo", "uname", "newfstatat",
)  # fmt: skip
"""What a decoder may call."""
_PROGRAM_MAY_NOT = (
    "io_uring_setup", "ptrace", "process_vm_readv", "process_vm_writev", "bpf", "keyctl", "add_key", "mount", "setns",
    "unshare", "userfaultfd", "perf_event_open", "open_by_handle_at", "pidfd_getfd",
)  # fmt: skip
"""What no engraver calls, and what leads around the filter, or to other processes."""
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_EPERM, _ENOSYS = 1, 38
_EQUAL, _DIFFERS, _MASKED = 4, 1, 7
_UNIX, _THREAD, _EXECUTABLE, _EMPTY_PATH = 1, 0x10000, 4, 0x1000
_END_WITH_PARENT, _NO_NEW_PRIVILEGES = 1, 38
_NEW_USER, _NEW_NETWORK = 0x10000000, 0x40000000


class _Compare(ctypes.Structure):
    """``struct scmp_arg_cmp``: an argument of a call, and what it has to be."""

    _fields_ = (
        ("arg", ctypes.c_uint), ("op", ctypes.c_int), ("datum_a", ctypes.c_uint64), ("datum_b", ctypes.c_uint64),
    )  # fmt: skip


def confine(cpu_s: float, memory_mb: float, file_mb: float, *, computes: bool) -> tuple[str, ...]:
    """Confine this process for good, and all that it starts. Never fails: returns what is in force.

    Args:
        cpu_s: processor seconds, after which it is killed.
        memory_mb: MiB of memory of its own.
        file_mb: largest file that it may write, in MiB.
        computes: it needs nothing but the files that are open now; else it is a program like any other.
    """
    found = _limited(cpu_s, memory_mb, file_mb)
    if sys.platform != "linux":
        return found
    if computes and os.geteuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        found += (NOBODY,)
    libc = ctypes.CDLL(None, use_errno=True)
    if computes:
        libc.prctl(_END_WITH_PARENT, 9, 0, 0, 0)
    found += (PRIVILEGES,) if libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0 else ()
    if _filtered(computes):
        return (*found, CALLS)
    return (*found, NETWORK) if libc.unshare(_NEW_USER | _NEW_NETWORK) == 0 else found


def no_new_privileges() -> None:
    """For a whole worker: nothing that it starts can gain what it has not."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)


def missing(found: Sequence[str]) -> str:
    """What is needed and not in force, for a message."""
    return ", ".join(one for one in NEEDED if one not in found)


def command(program: Sequence[str], *, cpu_s: float, memory_mb: float, file_mb: float, require: bool) -> list[str]:
    """The command that runs a program confined; the program itself where nothing of it is possible."""
    if sys.platform != "linux":
        return list(program)
    numbers = (str(cpu_s), str(memory_mb), str(file_mb), str(int(require)))
    return [sys.executable, "-I", "-S", __file__, *numbers, *program]


@lru_cache(maxsize=1)
def in_force() -> tuple[str, ...]:
    """What a decoder is confined by on this machine, found out by confining a process."""
    if os.name != "posix":
        return ()
    asked = [sys.executable, "-I", "-S", __file__]
    told = subprocess.run(asked, capture_output=True, text=True, timeout=30, check=False).stdout
    return tuple(line for line in told.splitlines() if line)


def _limited(cpu_s: float, memory_mb: float, file_mb: float) -> tuple[str, ...]:
    try:
        import resource
    except ImportError:  # Windows
        return ()
    wanted = {"CPU": cpu_s + 1, "DATA": memory_mb * 2**20, "FSIZE": file_mb * 2**20, "CORE": 0}
    for name, value in wanted.items():
        which = getattr(resource, f"RLIMIT_{name}")
        hard = resource.getrlimit(which)[1]
        limit = int(value) if hard == resource.RLIM_INFINITY else min(int(value), hard)
        resource.setrlimit(which, (limit, limit))
    return (LIMITS,)


def _filtered(computes: bool) -> bool:
    """Load the filter of system calls; whether there is one now."""
    try:
        library = ctypes.CDLL("libseccomp.so.2")
    except OSError:
        return False
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_init.argtypes = [ctypes.c_uint32]
    library.seccomp_rule_add_array.argtypes = [
        ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint, ctypes.POINTER(_Compare),
    ]  # fmt: skip
    library.seccomp_load.argtypes = [ctypes.c_void_p]
    context = library.seccomp_init(_ERRNO | _EPERM if computes else _ALLOW)
    if not context:
        return False

    def rule(action: int, name: str, *compare: _Compare) -> bool:
        number = library.seccomp_syscall_resolve_name(name.encode())
        given = (_Compare * len(compare))(*compare) if compare else None
        return bool(number < 0 or library.seccomp_rule_add_array(context, action, number, len(compare), given) == 0)

    if computes:
        only = {
            "clone": _Compare(0, _MASKED, _THREAD, _THREAD),  # threads, not processes
            "tgkill": _Compare(0, _EQUAL, os.getpid(), 0),  # abort() signals itself
            "mmap": _Compare(2, _MASKED, _EXECUTABLE, 0),
            "mprotect": _Compare(2, _MASKED, _EXECUTABLE, 0),
            "newfstatat": _Compare(3, _MASKED, _EMPTY_PATH, _EMPTY_PATH),  # of an open file
        }
        done = [rule(_ALLOW, name, *([only[name]] if name in only else [])) for name in _COMPUTES]
        done.append(rule(_ERRNO | _ENOSYS, "clone3"))  # whose flags cannot be looked at: the C library takes clone then
    else:
        done = [rule(_ERRNO | _EPERM, name) for name in _PROGRAM_MAY_NOT]
        done.append(rule(_ERRNO | _EPERM, "socket", _Compare(0, _DIFFERS, _UNIX, 0)))
    return all(done) and bool(library.seccomp_load(context) == 0)


def main(arguments: list[str]) -> None:
    """Run a program confined; without arguments tell what a decoder is confined by here."""
    if not arguments:
        sys.stdout.write("\n".join(confine(60, 1024, 1, computes=True)))
        return
    cpu_s, memory_mb, file_mb = map(float, arguments[:3])
    found = confine(cpu_s, memory_mb, file_mb, computes=False)
    if arguments[3] == "1" and (lacking := missing(found)):
        sys.exit(f"REQUIRE_CONFINEMENT is set, but this system does not grant: {lacking}")
    try:
        os.execvp(arguments[4], arguments[4:])  # noqa: S606 - a program of ours, with arguments of ours
    except OSError as error:
        sys.exit(f"it could not be started: {error.strerror}")


if __name__ == "__main__":
    main(sys.argv[1:])
