"""Run a command as systemd's units do where that can be had without systemd: no new privileges, and no memory that is
written and then executed (`MemoryDenyWriteExecute`). `python confined.py COMMAND…`; of the standard library alone.
"""

import ctypes
import os
import sys

PR_SET_NO_NEW_PRIVS = 38  # <linux/prctl.h>
PR_SET_MDWE = 65  # since Linux 6.3
PR_MDWE_REFUSE_EXEC_GAIN = 1

if __name__ == "__main__":
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        os.umask(0o077)
        if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
            sys.exit("no_new_privs is refused")
        if libc.prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) != 0 and ctypes.get_errno() != 22:
            sys.exit("MDWE is refused")  # 22, EINVAL: an older kernel
    os.execvp(sys.argv[1], sys.argv[1:])
