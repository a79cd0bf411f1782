/* SPDX-License-Identifier: MIT */
/* Decides requests with the real libwrap: reads batches from standard input, writes answers.
 *
 * A batch is one rule set with many requests. It is decided in a child, since libwrap keeps state
 * and ends its process at some inputs; what the child did not get to is answered with 'x'.
 * Commands, log messages, lookups, accounts and sleeping are our own here: nothing is run.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* tcpd.h, as in Debian's libwrap-dev. */
#define STRING_LENGTH 128
struct request_info;
struct host_info {
    char name[STRING_LENGTH];
    char addr[STRING_LENGTH];
    struct sockaddr *sin;
    void *unit;
    struct request_info *request;
};
struct request_info {
    int fd;
    char user[STRING_LENGTH];
    char daemon[STRING_LENGTH];
    char pid[10];
    struct host_info client[1];
    struct host_info server[1];
    void (*sink)(int);
    void (*hostname)(struct host_info *);
    void (*hostaddr)(struct host_info *);
    void (*cleanup)(struct request_info *);
    void *config;
    char reserve[4096];
};
enum { RQ_DAEMON = 2, RQ_CLIENT_ADDR = 5, RQ_SERVER_ADDR = 8, RQ_SERVER_SIN = 9 };
extern struct request_info *request_init(struct request_info *, ...);
extern int hosts_access(struct request_info *);
extern char *hosts_allow_table, *hosts_deny_table;
extern int hosts_access_verbose, resident;

enum { DAEMON, ADDRESS, NAME, USER, SERVER_ADDRESS, SERVER_NAME, PORT, FIELDS };
enum { MAX_REQUESTS = 1024, MAX_FIELD = 4096 };

/* One answer: 'a'llow, 'd'eny or 'x', then the table ('a', 'd' or '-') and the line that matched. */
struct answer {
    char verdict;
    char table;
    int line;
};

static char fields[MAX_REQUESTS][FIELDS][MAX_FIELD + 1];
static struct answer *answers;
static int current;

static void note(const char *format, va_list args)
{
    char text[1024], *line;

    vsnprintf(text, sizeof text, format, args);
    if (strncmp(text, "matched:", 8) != 0 || answers[current].table != '-')
        return;
    answers[current].table = strstr(text, "hosts.allow") ? 'a' : 'd';
    line = strstr(text, " line ");
    answers[current].line = line ? atoi(line + 6) : 0;
}

void __vsyslog_chk(int priority, int flag, const char *format, va_list args)
{
    (void)priority, (void)flag;
    note(format, args);
}

void __syslog_chk(int priority, int flag, const char *format, ...)
{
    va_list args;

    (void)priority, (void)flag;
    va_start(args, format);
    note(format, args);
    va_end(args);
}

unsigned int sleep(unsigned int seconds)
{
    (void)seconds;
    return 0;
}

/* "exit N" ends so, "kill" by a signal, everything else well. */
int execl(const char *path, const char *arg, ...)
{
    const char *command;
    va_list args;

    (void)path;
    va_start(args, arg);
    va_arg(args, const char *);
    command = va_arg(args, const char *);
    va_end(args);
    if (strncmp(command, "kill", 4) == 0)
        raise(9);
    _exit(strncmp(command, "exit ", 5) == 0 ? atoi(command + 5) : 0);
}

/* Two groups: `lab` with alpha and unknown, `Web` with www.example.org and paranoid. */
int innetgr(const char *group, const char *host, const char *user, const char *domain)
{
    (void)user, (void)domain;
    if (strcmp(group, "lab") == 0)
        return strcasecmp(host, "alpha") == 0 || strcasecmp(host, "unknown") == 0;
    if (strcmp(group, "Web") == 0)
        return strcasecmp(host, "www.example.org") == 0 || strcasecmp(host, "paranoid") == 0;
    return 0;
}

/* The user is looked up at the same places as ever, but in the request. */
char *eval_user(struct request_info *request)
{
    if (request->user[0] == 0) {
        const char *user = fields[current][USER];

        snprintf(request->user, sizeof request->user, "%s", user[0] ? user : "unknown");
    }
    return request->user;
}

static void look_up_name(struct host_info *host)
{
    int which = host == host->request->client ? NAME : SERVER_NAME;

    snprintf(host->name, sizeof host->name, "%s", fields[current][which]);
}

static void look_up_address(struct host_info *host)
{
    snprintf(host->addr, sizeof host->addr, "unknown");
}

static void decide(void)
{
    char(*field)[MAX_FIELD + 1] = fields[current];
    struct sockaddr_in server = {.sin_family = AF_INET};
    struct request_info request;
    int has_port = field[PORT][0] != 0;

    memset(&request, 0, sizeof request);
    server.sin_port = htons(atoi(field[PORT]));
    request_init(&request, RQ_DAEMON, field[DAEMON], RQ_CLIENT_ADDR, field[ADDRESS], RQ_SERVER_ADDR,
                 field[SERVER_ADDRESS], has_port ? RQ_SERVER_SIN : 0, &server, 0);
    request.hostname = look_up_name;
    request.hostaddr = look_up_address;
    resident = 1;
    answers[current].verdict = hosts_access(&request) ? 'a' : 'd';
}

/* Decides from `first` up to `end`, in a child; says how far it got. */
static int decide_in_child(int first, int end)
{
    int index;
    pid_t child = fork();

    if (child == 0) {
        for (current = first; current < end; current++) {
            answers[current].table = '-';
            decide();
        }
        _exit(0);
    }
    waitpid(child, NULL, 0);
    for (index = first; index < end && answers[index].verdict; index++)
        continue;
    if (index < end)
        answers[index++].verdict = 'x';
    return index;
}

static void read_exactly(void *into, size_t size)
{
    if (size && fread(into, size, 1, stdin) != 1)
        exit(1);
}

static void read_field(char *into)
{
    unsigned short size;

    read_exactly(&size, sizeof size);
    if (size > MAX_FIELD)
        exit(2);
    read_exactly(into, size);
    into[size] = 0;
}

int main(void)
{
    static char allow[MAX_FIELD + 1], deny[MAX_FIELD + 1];
    unsigned int header[2]; /* how many requests, and how many of them a child may decide */

    answers = mmap(NULL, MAX_REQUESTS * sizeof *answers, PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    hosts_allow_table = allow;
    hosts_deny_table = deny;
    hosts_access_verbose = 2;
    while (fread(header, sizeof header, 1, stdin) == 1) {
        int count = header[0], at_once = header[1], index, field;

        if (count > MAX_REQUESTS)
            return 2;
        read_field(allow);
        read_field(deny);
        for (index = 0; index < count; index++)
            for (field = 0; field < FIELDS; field++)
                read_field(fields[index][field]);
        memset(answers, 0, MAX_REQUESTS * sizeof *answers);
        for (index = 0; index < count;)
            index = decide_in_child(index, index + at_once < count ? index + at_once : count);
        fwrite(answers, sizeof *answers, count, stdout);
        fflush(stdout);
    }
    return 0;
}
