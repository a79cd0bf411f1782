/* SPDX-License-Identifier: MIT */
/* What the gate's work costs in C: the same system calls with the same messages, and no decision.
 *
 *   loop BACKEND JOURNAL DAEMON      fd 3 is the TCP listener
 *
 * accept4 in bursts of at most 64; one message of as many clients as the backend wants, with their
 * descriptors; acknowledgements read; then for each client its journal entry and close.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { LISTENER = 3, BURST = 64, HELD = 512, TEXT = 65536 };

/* Clients sent and not acknowledged, in order; IDs count from 1. */
static struct { int fd, port; char address[INET_ADDRSTRLEN]; int64_t accepted; } held[HELD];
static unsigned long first_held, last_sent, last_held;
static unsigned batch = 1;
static int channel, journal, server_port;
static const char *daemon_name;

static int64_t now_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static int connect_to(const char *path, int kind)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, kind | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        perror(path);
        exit(1);
    }
    return fd;
}

/* Waits where the gate would come back later: neither loses anything. */
static void wait_for_room(int fd)
{
    struct pollfd room = { .fd = fd, .events = POLLOUT };

    poll(&room, 1, 1000);
}

static void send_clients(unsigned count)
{
    static char text[TEXT];
    union { struct cmsghdr header; char room[CMSG_SPACE(BURST * sizeof(int))]; } passed = { 0 };
    int fds[BURST], length = 0;
    unsigned index;

    for (index = 0; index < count; index++) {
        unsigned long number = last_sent + index;
        fds[index] = held[number % HELD].fd;
        length += sprintf(text + length,
                          "%sSOCKETGATE=1\nID=%lu\nDAEMON=%s\nREMOTE_ADDR=%s\nREMOTE_PORT=%d\n"
                          "LOCAL_ADDR=127.0.0.1\nLOCAL_PORT=%d\n",
                          index ? "\n" : "", number + 1, daemon_name, held[number % HELD].address,
                          held[number % HELD].port, server_port);
    }
    struct iovec part = { text, length };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &passed,
                              .msg_controllen = CMSG_SPACE(count * sizeof(int)) };
    passed.header = (struct cmsghdr){ CMSG_LEN(count * sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
    memcpy(CMSG_DATA(&passed.header), fds, count * sizeof(int));
    while (sendmsg(channel, &message, MSG_NOSIGNAL) < 0) {
        if (errno != EAGAIN)
            exit(1);
        wait_for_room(channel);
    }
    last_sent += count;
}

static void accept_burst(void)
{
    struct sockaddr_in peer;
    socklen_t size = sizeof peer;
    int taken, fd;

    for (taken = 0; taken < BURST && last_held - first_held < HELD; taken++) {
        fd = accept4(LISTENER, (struct sockaddr *)&peer, &size, SOCK_CLOEXEC);
        if (fd < 0)
            break;
        held[last_held % HELD].fd = fd;
        held[last_held % HELD].port = ntohs(peer.sin_port);
        held[last_held % HELD].accepted = now_ns();
        inet_ntop(AF_INET, &peer.sin_addr, held[last_held % HELD].address, INET_ADDRSTRLEN);
        last_held++;
    }
    while (last_sent < last_held)
        send_clients(last_held - last_sent < batch ? last_held - last_sent : batch);
}

static void write_entry(unsigned long number)
{
    char text[2048];
    const char *address = held[number % HELD].address;
    int length = sprintf(
        text,
        "MESSAGE=connect from %s (%s)\nPRIORITY=6\nSYSLOG_IDENTIFIER=%s\nSYSLOG_FACILITY=3\n"
        "MESSAGE_ID=5d0e7a1c6b5e4d0b9a52c0f6f3b8a101\nSOCKETGATE_DAEMON=%s\nSOCKETGATE_ID=%lu\n"
        "SOCKETGATE_VERDICT=allow\nSOCKETGATE_OUTCOME=handed-over\n"
        "SOCKETGATE_RULES_GENERATION=1\nSOCKETGATE_USEC=%ld\nSOCKETGATE_CLIENT_ADDR=%s\n"
        "SOCKETGATE_CLIENT_PORT=%d\nSOCKETGATE_SERVER_ADDR=127.0.0.1\nSOCKETGATE_SERVER_PORT=%d\n",
        address, address, daemon_name, daemon_name, number + 1,
        (long)((now_ns() - held[number % HELD].accepted) / 1000), address,
        held[number % HELD].port, server_port);

    while (send(journal, text, length, MSG_NOSIGNAL) < 0) {
        if (errno != EAGAIN)
            exit(1);
        wait_for_room(journal);
    }
}

static void read_answers(void)
{
    char text[TEXT];
    ssize_t length;

    while ((length = recv(channel, text, sizeof text - 1, 0)) > 0) {
        text[length] = 0;
        if (strncmp(text, "BATCH=", 6) == 0)
            batch = atoi(text + 6);
        if (strncmp(text, "ACK=", 4) != 0)
            continue;
        unsigned long acknowledged = strtoul(text + 4, NULL, 10);
        while (first_held < acknowledged) {
            close(held[first_held % HELD].fd);
            write_entry(first_held++);
        }
    }
    if (length == 0)
        exit(1);
}

int main(int argc, char **argv)
{
    struct epoll_event events[8], event = { .events = EPOLLIN };
    struct sockaddr_in own;
    socklen_t size = sizeof own;
    int poller = epoll_create1(EPOLL_CLOEXEC), index, found, is_reading = 1;

    if (argc < 4)
        return 2;
    channel = connect_to(argv[1], SOCK_SEQPACKET);
    journal = connect_to(argv[2], SOCK_DGRAM);
    daemon_name = argv[3];
    fcntl(LISTENER, F_SETFL, O_NONBLOCK);
    getsockname(LISTENER, (struct sockaddr *)&own, &size);
    server_port = ntohs(own.sin_port);
    event.data.fd = LISTENER;
    epoll_ctl(poller, EPOLL_CTL_ADD, LISTENER, &event);
    event.data.fd = channel;
    epoll_ctl(poller, EPOLL_CTL_ADD, channel, &event);
    for (;;) {
        found = epoll_wait(poller, events, 8, -1);
        for (index = 0; index < found; index++)
            events[index].data.fd == LISTENER ? accept_burst() : read_answers();
        int may_read = last_held - first_held < HELD;
        if (may_read != is_reading) {
            event.data.fd = LISTENER;
            epoll_ctl(poller, may_read ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, LISTENER, &event);
            is_reading = may_read;
        }
    }
}
