"""A process that reads the anonymous memory of another; run as a file, so that it starts without any other import.

It answers each line of its input with the highest bytes so far and the number of readings, and ends with its input.
"""

import os
import select
import sys

INTERVAL_MS = 5
"""Milliseconds between readings; one takes less than a tenth of a millisecond."""


def main(pid: str) -> None:
    """Read the memory of this process until the input ends."""
    page, statm = os.sysconf("SC_PAGE_SIZE"), os.open(f"/proc/{pid}/statm", os.O_RDONLY)
    asked = select.poll()
    asked.register(0, select.POLLIN | select.POLLHUP)
    highest = count = 0
    while True:
        ready = asked.poll(INTERVAL_MS)
        question = os.read(0, 1) if ready else None
        if question == b"":
            return
        try:
            _, resident, shared, *_ = os.pread(statm, 256, 0).split()
        except OSError:  # the process has ended
            return
        highest, count = max(highest, (int(resident) - int(shared)) * page), count + 1
        if question:
            os.write(1, b"%d %d\n" % (highest, count))


if __name__ == "__main__":
    main(sys.argv[1])
