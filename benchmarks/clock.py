"""A wall clock that can be stepped, for the processes of a deployment that is to be broken.

libfaketime is not used: it changes the deadlines of the monotonic clock, too, so that Python's ``time.sleep`` sleeps
wrongly or dies of EINVAL, and workers with it.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Self

CODE = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
static long step(void) {
  long seconds = 0;
  const char *path = getenv("CLOCK_STEP");
  FILE *file = path ? fopen(path, "r") : NULL;
  if (file) { if (fscanf(file, "%ld", &seconds) != 1) seconds = 0; fclose(file); }
  return seconds;
}
int clock_gettime(clockid_t id, struct timespec *now) {
  static int (*real)(clockid_t, struct timespec *);
  if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
  int done = real(id, now);
  if (!done && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) now->tv_sec += step();
  return done;
}
int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  struct timespec found;
  int done = clock_gettime(CLOCK_REALTIME, &found);
  now->tv_sec = found.tv_sec;
  now->tv_usec = found.tv_nsec / 1000;
  return done;
}
time_t time(time_t *into) {
  struct timespec found;
  clock_gettime(CLOCK_REALTIME, &found);
  if (into) *into = found.tv_sec;
  return found.tv_sec;
}
"""


@dataclass(frozen=True)
class Clock:
    """``env`` gives a process this clock."""

    env: dict[str, str]
    _file: Path

    @classmethod
    def made_in(cls, folder: Path) -> Self | None:
        """A clock with its files in ``folder``; ``None`` where there is no C compiler."""
        compiler = shutil.which("cc")
        if compiler is None or sys.platform != "linux":
            print("a stepped clock needs Linux and a C compiler (cc)", file=sys.stderr)
            return None
        source, library = folder / "clock.c", folder / "clock.so"
        source.write_text(CODE)
        subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", library, source, "-ldl"], check=True)
        clock = cls({"LD_PRELOAD": str(library), "CLOCK_STEP": str(folder / "clock")}, folder / "clock")
        clock.step(0)
        return clock

    def step(self, seconds: int) -> None:
        """Set the clock so far from the true time."""
        self._file.write_text(f"{seconds}\n")
