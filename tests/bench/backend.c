/* SPDX-License-Identifier: MIT */
/* A backend that does next to nothing: takes clients, answers, closes them after a little while.
 *
 *   backend channel BATCH KEEP_MS      fd 3 is a Unix socket that gates connect to
 *   backend direct 0 KEEP_MS           fd 3 is the TCP listener itself
 *
 * Clients are acknowledged as soon as they came, all of a message at once, and kept KEEP_MS before
 * they are closed: whoever closes a connection's last descriptor pays for tearing it down, and with
 * a real backend that is never the gate.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { LISTENER = 3, MOST = 64, KEPT = 1 << 16, TEXT = 65536 };

static struct { int fd; int64_t until; } kept[KEPT];
static unsigned first_kept, last_kept;
static int64_t keep_ns;

static int64_t now_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void let_go(int64_t now)
{
    while (first_kept != last_kept && kept[first_kept % KEPT].until <= now)
        close(kept[first_kept++ % KEPT].fd);
}

static void serve(int client, int64_t now)
{
    send(client, "hello\n", 6, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (keep_ns == 0) {
        close(client);
        return;
    }
    if (last_kept - first_kept == KEPT)
        close(kept[first_kept++ % KEPT].fd);
    kept[last_kept % KEPT].fd = client;
    kept[last_kept++ % KEPT].until = now + keep_ns;
}

/* The last ID of a message: a cumulative acknowledgement needs no other. */
static const char *last_id(char *text)
{
    char *found = NULL, *next = text;

    while ((next = strstr(next, "SOCKETGATE=1\nID=")))
        found = next += 16;
    return found;
}

/* One message of a gate's. False: the channel is at its end. */
static int take(int gate)
{
    static char text[TEXT];
    union { struct cmsghdr header; char room[CMSG_SPACE(MOST * sizeof(int))]; } passed;
    struct iovec part = { text, sizeof text - 1 };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &passed,
                              .msg_controllen = sizeof passed };
    int clients[MOST], count = 0, index;
    char answer[64];
    ssize_t length = recvmsg(gate, &message, MSG_CMSG_CLOEXEC);

    if (length <= 0)
        return 0;
    text[length] = 0;
    struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
    if (rights && rights->cmsg_type == SCM_RIGHTS) {
        count = (rights->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(clients, CMSG_DATA(rights), count * sizeof(int));
    }
    const char *id = last_id(text);
    if (!count || !id)
        return 0;
    snprintf(answer, sizeof answer, "ACK=%.*s\n", (int)strcspn(id, "\n"), id);
    send(gate, answer, strlen(answer), MSG_NOSIGNAL);
    int64_t now = now_ns();
    for (index = 0; index < count; index++)
        serve(clients[index], now);
    return 1;
}

int main(int argc, char **argv)
{
    struct epoll_event events[64], event = { .events = EPOLLIN, .data.fd = LISTENER };
    int poller = epoll_create1(EPOLL_CLOEXEC), index;

    if (argc < 4)
        return 2;
    int is_direct = strcmp(argv[1], "direct") == 0;
    keep_ns = atol(argv[3]) * 1000000LL;
    epoll_ctl(poller, EPOLL_CTL_ADD, LISTENER, &event);
    for (;;) {
        int wait = first_kept == last_kept ? -1 : 1;
        int found = epoll_wait(poller, events, 64, wait);
        let_go(now_ns());
        for (index = 0; index < found; index++) {
            int fd = events[index].data.fd;
            if (fd != LISTENER) {
                if (!take(fd))
                    close(fd);
                continue;
            }
            int came = accept4(LISTENER, NULL, NULL, SOCK_CLOEXEC);
            if (came < 0)
                continue;
            if (is_direct) {
                serve(came, now_ns());
                continue;
            }
            event.data.fd = came;
            epoll_ctl(poller, EPOLL_CTL_ADD, came, &event);
            if (atoi(argv[2]) > 1)
                dprintf(came, "BATCH=%d\n", atoi(argv[2]));
        }
    }
}
