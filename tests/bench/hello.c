/* SPDX-License-Identifier: MIT */
/* An inetd-style program: answers the client on its standard output, and ends. */
#include <unistd.h>

int main(void)
{
    return write(1, "hello\n", 6) == 6 ? 0 : 1;
}
