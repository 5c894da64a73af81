/* kernel.c - see kernel.h.
 *
 *     turn of the loop -> a call of the kernel -> count_pause -> what it does
 *                      <-                         count_go_on <-
 *
 * A socket is a real file descriptor of /dev/null, so that numbers are given out and
 * closed by the real kernel, and a row in `sockets`. What is ready is a list of
 * descriptors that epoll_pwait looks through; a socket can always be written to.
 */
#include "tests/instructions/kernel.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "tests/instructions/count.h"

enum {
    START_SECS = 1000000,
    PID = 4242,
};

struct socket {
    bool is_ours, is_connected, is_kept, is_listed;
    uint32_t interest; /* of epoll */
    unsigned waiting;  /* clients to accept */
    struct strbuf in, out;
    size_t in_at;
    uint64_t written_bytes, writes;
};

static struct socket sockets[KERNEL_FDS_MAX];
static int ready[KERNEL_FDS_MAX];
static unsigned ready_count;
static int listener = -1, last_accepted = -1;
static uint64_t now_ns = (uint64_t)START_SECS * 1000000000;
static void (*world)(void);

/* ---- sockets ---- */

static struct socket *find_socket(int fd)
{
    return fd >= 0 && fd < KERNEL_FDS_MAX && sockets[fd].is_ours ? &sockets[fd] : NULL;
}

static int open_socket(void)
{
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

    assert(fd >= 0 && fd < KERNEL_FDS_MAX);
    strbuf_deinit(&sockets[fd].in);
    strbuf_deinit(&sockets[fd].out);
    sockets[fd] = (struct socket){.is_ours = true, .is_listed = sockets[fd].is_listed};
    return fd;
}

static void list_ready(int fd)
{
    if (sockets[fd].is_listed)
        return;
    sockets[fd].is_listed = true;
    ready[ready_count++] = fd;
}

int kernel_listen_fd(void)
{
    listener = open_socket();
    return listener;
}

void kernel_add_client(void)
{
    sockets[listener].waiting++;
    list_ready(listener);
}

int kernel_last_accepted(void)
{
    return last_accepted;
}

int kernel_next_connected(int after)
{
    for (int fd = after + 1; fd < KERNEL_FDS_MAX; fd++)
        if (sockets[fd].is_ours && sockets[fd].is_connected)
            return fd;
    return -1;
}

void kernel_feed(int fd, const void *bytes, size_t len)
{
    strbuf_add(&sockets[fd].in, bytes, len);
    list_ready(fd);
}

uint64_t kernel_written_bytes(int fd)
{
    return sockets[fd].written_bytes;
}

uint64_t kernel_writes(int fd)
{
    return sockets[fd].writes;
}

struct strbuf *kernel_written(int fd)
{
    sockets[fd].is_kept = true;
    return &sockets[fd].out;
}

int socket(int domain, int type, int protocol)
{
    bool counts = count_pause();
    int fd = open_socket();

    (void)domain, (void)type, (void)protocol;
    count_go_on(counts);
    return fd;
}

int connect(int fd, __CONST_SOCKADDR_ARG addr, socklen_t len)
{
    (void)addr, (void)len;
    sockets[fd].is_connected = sockets[fd].is_kept = true;
    return 0;
}

int listen(int fd, int backlog)
{
    (void)fd, (void)backlog;
    return 0;
}

int accept4(int fd, __SOCKADDR_ARG addr, socklen_t *len, int flags)
{
    bool counts = count_pause();

    (void)addr, (void)len, (void)flags;
    if (sockets[fd].waiting == 0) {
        errno = EAGAIN;
    } else {
        sockets[fd].waiting--;
        last_accepted = open_socket();
        fd = last_accepted;
        errno = 0;
    }
    count_go_on(counts);
    return errno ? -1 : fd;
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
    (void)fd, (void)level, (void)name, (void)value, (void)len;
    return 0;
}

int getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
    (void)fd, (void)level, (void)name;
    memset(value, 0, *len); /* SO_ERROR: none */
    return 0;
}

int shutdown(int fd, int how)
{
    (void)fd, (void)how;
    return 0;
}

/* ---- bytes ---- */

static ssize_t take_input(struct socket *s, void *out, size_t size)
{
    size_t n = s->in.len - s->in_at;

    if (n == 0) {
        errno = EAGAIN;
        return -1;
    }
    n = n < size ? n : size;
    memcpy(out, s->in.data + s->in_at, n);
    s->in_at += n;
    if (s->in_at == s->in.len)
        s->in.len = s->in_at = 0;
    return (ssize_t)n;
}

static ssize_t note_written(struct socket *s, size_t len)
{
    s->written_bytes += len;
    s->writes++;
    return (ssize_t)len;
}

static ssize_t take_output(struct socket *s, const struct iovec *parts, int count)
{
    size_t total = 0;

    for (int i = 0; i < count; i++) {
        total += parts[i].iov_len;
        if (s->is_kept)
            strbuf_add(&s->out, parts[i].iov_base, parts[i].iov_len);
    }
    return note_written(s, total);
}

ssize_t read(int fd, void *out, size_t size)
{
    bool counts = count_pause();
    struct socket *s = find_socket(fd);
    ssize_t n = s ? take_input(s, out, size) : syscall(SYS_read, fd, out, size);

    count_go_on(counts);
    return n;
}

ssize_t recv(int fd, void *out, size_t size, int flags)
{
    (void)flags;
    return read(fd, out, size);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    bool counts = count_pause();
    struct socket *s = find_socket(fd);
    ssize_t n =
        s ? take_output(s, parts, count) : syscall(SYS_writev, fd, parts, count);

    count_go_on(counts);
    return n;
}

static ssize_t write_one(int fd, const void *bytes, size_t len)
{
    struct iovec part = {(void *)(uintptr_t)bytes, len};

    return writev(fd, &part, 1);
}

/* There is one for each delivery, and two additions cost less than a pause. */
ssize_t write(int fd, const void *bytes, size_t len)
{
    if (find_socket(fd) && !sockets[fd].is_kept)
        return note_written(&sockets[fd], len);
    return write_one(fd, bytes, len);
}

ssize_t send(int fd, const void *bytes, size_t len, int flags)
{
    (void)flags;
    return write(fd, bytes, len);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    (void)flags;
    return writev(fd, message->msg_iov, (int)message->msg_iovlen);
}

/* ---- epoll ---- */

int epoll_ctl(int epoll, int op, int fd, struct epoll_event *event)
{
    bool counts = count_pause();
    struct socket *s = find_socket(fd);

    (void)epoll;
    if (s) {
        s->interest = op == EPOLL_CTL_DEL ? 0 : event->events;
        list_ready(fd);
    }
    count_go_on(counts);
    return 0;
}

static uint32_t events_of(const struct socket *s)
{
    bool has_input = s->waiting > 0 || s->in.len > s->in_at;

    return s->interest & (EPOLLOUT | (has_input ? EPOLLIN : 0u));
}

static int find_events(struct epoll_event *events, int max)
{
    unsigned kept = 0;
    int count = 0;

    for (unsigned i = 0; i < ready_count; i++) {
        int fd = ready[i];
        uint32_t found = events_of(&sockets[fd]);

        if (found && count < max)
            events[count++] = (struct epoll_event){.events = found, .data.fd = fd};
        if (found)
            ready[kept++] = fd;
        else
            sockets[fd].is_listed = false;
    }
    ready_count = kept;
    return count;
}

int epoll_pwait(int epoll, struct epoll_event *events, int max, int timeout,
                const sigset_t *mask)
{
    bool counts = count_pause();
    int count;

    (void)epoll, (void)timeout, (void)mask;
    if (world)
        world();
    count = find_events(events, max);
    count_go_on(counts);
    return count;
}

int epoll_wait(int epoll, struct epoll_event *events, int max, int timeout)
{
    return epoll_pwait(epoll, events, max, timeout, NULL);
}

void kernel_on_poll(void (*on_poll)(void))
{
    world = on_poll;
}

/* ---- time and chance ---- */

void kernel_wait_ms(uint64_t ms)
{
    now_ns += ms * 1000000;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    (void)clock;
    now->tv_sec = (time_t)(now_ns / 1000000000);
    now->tv_nsec = (long)(now_ns % 1000000000);
    return 0;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    (void)zone;
    now->tv_sec = (time_t)(now_ns / 1000000000 + 1700000000);
    now->tv_usec = (suseconds_t)(now_ns % 1000000000 / 1000);
    return 0;
}

ssize_t getrandom(void *out, size_t size, unsigned flags)
{
    (void)flags;
    memset(out, 0x5a, size);
    return (ssize_t)size;
}

pid_t getpid(void)
{
    return PID;
}

int gethostname(char *out, size_t size)
{
    return snprintf(out, size, "gateway") < 0 ? -1 : 0;
}
