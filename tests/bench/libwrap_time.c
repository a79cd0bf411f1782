/* SPDX-License-Identifier: MIT */
/* How long the real libwrap takes for a decision.
 *
 *   libwrap_time ALLOW DENY DAEMON ADDRESS...      prints microseconds for each address
 */
#include <stdio.h>
#include <tcpd.h>
#include <time.h>

/* tcpd.h: every program that links libwrap has these. */
int allow_severity, deny_severity;

static double now_us(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1e6 + time.tv_nsec / 1e3;
}

int main(int argc, char **argv)
{
    int index;

    if (argc < 5)
        return 2;
    hosts_allow_table = argv[1];
    hosts_deny_table = argv[2];
    for (index = 4; index < argc; index++) {
        double start = now_us();
        int is_allowed = hosts_ctl(argv[3], STRING_UNKNOWN, argv[index], STRING_UNKNOWN);

        printf("%.3f %d\n", now_us() - start, is_allowed);
    }
    return 0;
}
