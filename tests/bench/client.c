/* SPDX-License-Identifier: MIT */
/* Makes load: many connections, each read to its end; says what became of them as one JSON line.
 *
 *   client ADDRESS PORT COUNT AT_ONCE RATE SECONDS [SOURCES]
 *
 * At most AT_ONCE are open at a time. RATE is connections a second, 0: as fast as they are answered.
 * With a RATE a connection's time counts from when it was due, so a stall costs all who came in it.
 * SOURCES is a file of IPv4 addresses, 4 bytes each, that connections come from in turn.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_FDS = 65536, EVENTS = 256 };

static int64_t started_ns[MAX_FDS];
static char was_answered[MAX_FDS];
static uint32_t *sources, *latencies_us;
static long source_count, count, begun, ended, open_count, failed, bytes, connected;
static struct sockaddr_in server = { .sin_family = AF_INET };
static int poller;

static int64_t now_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void finish(int fd, int is_failed)
{
    if (is_failed)
        failed++;
    if (fd >= 0) {
        close(fd);
        open_count--;
    }
    ended++;
}

static void begin(int64_t due_ns)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    long number = begun++;

    if (fd < 0 || fd >= MAX_FDS)
        exit(3);
    open_count++;
    if (source_count) {
        struct sockaddr_in own = { .sin_family = AF_INET };

        own.sin_addr.s_addr = sources[number % source_count];
        setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
        if (bind(fd, (struct sockaddr *)&own, sizeof own) < 0)
            exit(4);
    }
    started_ns[fd] = due_ns;
    was_answered[fd] = 0;
    if (connect(fd, (struct sockaddr *)&server, sizeof server) < 0 && errno != EINPROGRESS) {
        finish(fd, 1);
        return;
    }
    struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP, .data.fd = fd };
    epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
}

static void answered(int fd)
{
    char text[4096];
    ssize_t length;

    if (!was_answered[fd]) {
        was_answered[fd] = 1;
        latencies_us[connected++] = (now_ns() - started_ns[fd]) / 1000;
    }
    while ((length = read(fd, text, sizeof text)) > 0)
        bytes += length;
    if (length == 0)
        finish(fd, 0);
    else if (errno != EAGAIN)
        finish(fd, errno != ECONNRESET); /* a way of refusing; who was served tells by "bytes" */
}

static int by_value(const void *one, const void *other)
{
    uint32_t a = *(const uint32_t *)one, b = *(const uint32_t *)other;

    return (a > b) - (a < b);
}

static void read_sources(const char *path)
{
    FILE *file = fopen(path, "rb");

    if (!file || fseek(file, 0, SEEK_END) < 0)
        exit(5);
    source_count = ftell(file) / 4;
    rewind(file);
    sources = malloc(source_count * 4 + 4);
    if (fread(sources, 4, source_count, file) != (size_t)source_count)
        exit(5);
}

static uint32_t share(double part)
{
    return connected ? latencies_us[(long)((connected - 1) * part)] : 0;
}

int main(int argc, char **argv)
{
    struct epoll_event events[EVENTS];
    struct rlimit most = { MAX_FDS, MAX_FDS };

    if (argc < 7)
        return 2;
    setrlimit(RLIMIT_NOFILE, &most);
    inet_pton(AF_INET, argv[1], &server.sin_addr);
    server.sin_port = htons(atoi(argv[2]));
    count = atol(argv[3]);
    long at_once = atol(argv[4]), next = 0;
    double rate = atof(argv[5]);
    if (argc > 7)
        read_sources(argv[7]);
    latencies_us = calloc(count, sizeof *latencies_us);
    poller = epoll_create1(EPOLL_CLOEXEC);
    int64_t start = now_ns(), deadline = start + atof(argv[6]) * 1e9;

    while (ended < count) {
        int64_t now = now_ns(), due = now;
        while (begun < count && open_count < at_once) {
            due = rate > 0 ? start + (int64_t)(begun * 1e9 / rate) : now;
            if (due > now)
                break;
            begin(due);
        }
        int64_t wait = due > now ? due - now : 200000000;
        struct timespec patience = { wait / 1000000000, wait % 1000000000 };
        int found = epoll_pwait2(poller, events, EVENTS, &patience, NULL);
        for (next = 0; next < found; next++)
            answered(events[next].data.fd);
        if (now_ns() > deadline)
            break;
    }
    double seconds = (now_ns() - start) / 1e9;
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    double cpu = used.ru_utime.tv_sec + used.ru_stime.tv_sec
                 + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
    qsort(latencies_us, connected, sizeof *latencies_us, by_value);
    printf("{\"count\": %ld, \"failed\": %ld, \"bytes\": %ld, \"seconds\": %.6f, \"cpu\": %.6f, "
           "\"p50_us\": %u, \"p99_us\": %u, \"max_us\": %u}\n",
           count, failed + (count - ended), bytes, seconds, cpu, share(.5), share(.99), share(1));
    return 0;
}
