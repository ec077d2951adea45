"""Runs a program and tells what it took: `python measured.py RESULT PROGRAM ARGUMENT…`.

It is a program of its own, and imports little, because the kernel counts the memory of whoever
starts a process as that process's: under a large parent, nothing small could be measured.

RESULT becomes JSON: `exit` (the code, or minus the signal), `seconds` (of the clock), `cpu` (user
and system, with those of its children that it waited for) and `memory` (bytes: the most that one
process had resident at any time, it or one of its children, which of them is not said; a page
that processes share counts for each).
"""

import json
import os
import sys
import time

_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes of a unit of ru_maxrss: getrusage(2)."""

if __name__ == "__main__":
    result, *command = sys.argv[1:]
    start = time.perf_counter()
    process = os.posix_spawnp(command[0], command, os.environ)
    _, status, used = os.wait4(process, 0)
    told = {
        "exit": os.waitstatus_to_exitcode(status),
        "seconds": time.perf_counter() - start,
        "cpu": used.ru_utime + used.ru_stime,
        "memory": used.ru_maxrss * _UNIT,
    }
    with open(result, "w") as file:
        json.dump(told, file)
