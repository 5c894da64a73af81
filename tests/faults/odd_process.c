/* odd_process.c - put before a gateway (LD_PRELOAD), makes it believe in another clock, another
 * pid and another resolver: ODD_CLOCK_MS is added to the time of day, ODD_PID is the pid, and
 * the host `many.test` stands for the addresses of ODD_ADDRESSES, with blanks between.
 */
#include <dlfcn.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long number_of(const char *name)
{
    const char *text = getenv(name);

    return text ? atol(text) : 0;
}

pid_t getpid(void)
{
    long pid = number_of("ODD_PID");

    return pid ? (pid_t)pid : (pid_t)syscall(SYS_getpid);
}

int clock_gettime(clockid_t clock, struct timespec *out)
{
    long rc = syscall(SYS_clock_gettime, clock, out);

    if (rc == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        out->tv_sec += number_of("ODD_CLOCK_MS") / 1000;
    return (int)rc;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone)
{
    struct timespec now;

    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    *out = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
    return 0;
}

time_t time(time_t *out)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    if (out)
        *out = now.tv_sec;
    return now.tv_sec;
}

typedef int (*resolve_fn)(const char *, const char *, const struct addrinfo *,
                          struct addrinfo **);

/* Lists of the C library may be put behind each other: it frees each element by itself. */
int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                struct addrinfo **found)
{
    void *symbol = dlsym(RTLD_NEXT, "getaddrinfo");
    resolve_fn resolve;
    const char *at = getenv("ODD_ADDRESSES");
    struct addrinfo **end = found;
    char address[64];
    int rc = 0;

    memcpy(&resolve, &symbol, sizeof(resolve));
    if (!at || !host || strcmp(host, "many.test") != 0)
        return resolve(host, service, hints, found);
    *found = NULL;
    while (*at && rc == 0) {
        size_t len = strcspn(at, " ");

        memcpy(address, at, len);
        address[len] = '\0';
        rc = resolve(address, service, hints, end);
        while (rc == 0 && *end)
            end = &(*end)->ai_next;
        at += len + strspn(at + len, " ");
    }
    return rc;
}
