"""How the C library treats the memory that batches leave behind."""

import ctypes
import platform

# From glibc's malloc.h; the values are the ceilings that its own adjustment stops at (mallopt(3): 32 MiB on 64-bit
# machines, and twice that for trimming).
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_MMAP_THRESHOLD = 32 * 1024**2
_TRIM_THRESHOLD = 2 * _MMAP_THRESHOLD


def keep_freed_memory() -> bool:
    """Let glibc keep the memory of one batch for the next instead of returning it to the system; True if it will.

    Each layer on a CPU takes and leaves some megabytes. Until glibc has found out how large these pieces are, and on
    threads ever again, it gives them back to the system, which hands them out anew page by page: 3 to 15 % of a run of
    small networks. It would reach these limits by itself in a process that once frees 32 MiB. Holds for the rest of the
    process and cannot be undone, so only a process that evalshift started calls this: the command, and ray's workers.
    Other C libraries are left alone.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(_M_MMAP_THRESHOLD, _MMAP_THRESHOLD) and mallopt(_M_TRIM_THRESHOLD, _TRIM_THRESHOLD))


def release_freed_memory() -> None:
    """Let glibc hand all memory that is free back to the system, that of threads which wait too.

    Without it, each of several models that take turns would keep what its layers need.
    """
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)
