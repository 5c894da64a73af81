/* descriptors.c - see descriptors.h. */
#include "common/descriptors.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum { EXIT_SETTINGS = 2, MOST = 16 * 1024 * 1024, FALLBACK = 1024 };

void descriptors_open_standard(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd < 0)
        abort(); /* there is no /dev/null, and perhaps no stderr to say it */
    close(fd);
}

unsigned descriptors_raise(void)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) < 0)
        return FALLBACK;
    if (files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
        getrlimit(RLIMIT_NOFILE, &files); /* it may have been refused */
    }
    return files.rlim_cur < MOST ? (unsigned)files.rlim_cur : (unsigned)MOST;
}

void descriptors_require(unsigned have, unsigned need, const char *what)
{
    if (have >= need)
        return;
    fprintf(stderr, "ulimit -n: %u file descriptors are too few: %s needs %u\n", have,
            what, need);
    exit(EXIT_SETTINGS);
}
