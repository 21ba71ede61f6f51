/* Loaded before a program (LD_PRELOAD), it moves the program's wall clock by CLOCK_OFF_S seconds, which a namespace of
   Linux can't. Clocks that measure durations stay as they are. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long off_s;

__attribute__((constructor)) static void read_setting(void) {
    const char *text = getenv("CLOCK_OFF_S");
    off_s = text ? atol(text) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = (int) syscall(SYS_clock_gettime, clock, now);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += off_s;
    return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    int failed = (int) syscall(SYS_gettimeofday, now, zone);
    if (!failed && now) now->tv_sec += off_s;
    return failed;
}

time_t time(time_t *now) {
    struct timespec read;
    clock_gettime(CLOCK_REALTIME, &read);
    if (now) *now = read.tv_sec;
    return read.tv_sec;
}
