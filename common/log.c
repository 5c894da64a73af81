/* log.c - see log.h.
 *
 *     log_write -> put -> the ring -> on_thread -> take -> write_all
 *
 * A line is put together on the stack and cut at what a pipe takes in one piece, and the
 * thread writes whole lines of at most that much, so that lines of several processes on
 * one pipe do not mix. A control character in a line (the words of a library, say) becomes
 * a space: one event is one line, whatever the peer sent.
 *
 * The lock is held for a copy of a line or of a piece, never for a write: stderr may be a
 * pipe that nobody reads or a terminal that is stopped, and no loop may stand still for
 * that. What the program says of its own state does not depend on stderr either.
 */
#include "common/log.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { NAME_BYTES = 200, NAME_BUFFERS = 4, STOP_SECS = 1 };

enum log_level log_max = LOG_INFO;

static struct {
    pthread_mutex_t lock;
    pthread_cond_t filled, emptied; /* for the thread; for log_stop */
    char bytes[LOG_RING_BYTES];
    size_t head, len;         /* where the oldest line begins; what waits, in bytes */
    uint64_t dropped, unsaid; /* lines; those that no line has told of yet */
    bool is_running, is_writing;
} ring = {
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .filled = PTHREAD_COND_INITIALIZER,
    .emptied = PTHREAD_COND_INITIALIZER,
};

/* ---- the ring; the caller holds the lock ---- */

static void copy_in(const char *bytes, size_t len)
{
    size_t at = (ring.head + ring.len) % LOG_RING_BYTES;
    size_t first = len < LOG_RING_BYTES - at ? len : LOG_RING_BYTES - at;

    memcpy(ring.bytes + at, bytes, first);
    memcpy(ring.bytes, bytes + first, len - first);
    ring.len += len;
}

/* Takes whole lines, as many as `size` bytes hold; a line is never longer. */
static size_t copy_out(char *out, size_t size)
{
    size_t most = ring.len < size ? ring.len : size;
    size_t len = 0;

    for (size_t i = 0; i < most; i++) {
        out[i] = ring.bytes[(ring.head + i) % LOG_RING_BYTES];
        if (out[i] == '\n')
            len = i + 1;
    }
    ring.head = (ring.head + len) % LOG_RING_BYTES;
    ring.len -= len;
    return len;
}

/* ---- writing ---- */

/* A stderr that does not block is waited for; one that is gone takes nothing. */
static void write_all(const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(STDERR_FILENO, bytes, len);

        if (n >= 0) {
            bytes += n;
            len -= (size_t)n;
        } else if (errno == EAGAIN) {
            struct pollfd fd = {.fd = STDERR_FILENO, .events = POLLOUT};

            poll(&fd, 1, -1);
        } else if (errno != EINTR) {
            return;
        }
    }
}

static void *on_thread(void *arg)
{
    char piece[PIPE_BUF];

    (void)arg;
    pthread_mutex_lock(&ring.lock);
    while (ring.is_running || ring.len > 0) {
        size_t len = copy_out(piece, sizeof(piece));

        ring.is_writing = len > 0;
        if (len == 0) {
            pthread_cond_signal(&ring.emptied);
            pthread_cond_wait(&ring.filled, &ring.lock);
            continue;
        }
        pthread_mutex_unlock(&ring.lock);
        write_all(piece, len);
        pthread_mutex_lock(&ring.lock);
    }
    ring.is_writing = false;
    pthread_cond_signal(&ring.emptied);
    pthread_mutex_unlock(&ring.lock);
    return NULL;
}

void log_start(void)
{
    sigset_t all, before;
    pthread_t thread;

    /* Signals are for the loops. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_mutex_lock(&ring.lock); /* the thread looks when all is set */
    ring.is_running = pthread_create(&thread, NULL, on_thread, NULL) == 0;
    if (ring.is_running) /* else the thread that logs a line writes it, as before */
        pthread_detach(thread);
    pthread_mutex_unlock(&ring.lock);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    atexit(log_stop);
}

void log_stop(void)
{
    struct timespec end;

    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += STOP_SECS;
    pthread_mutex_lock(&ring.lock);
    ring.is_running = false;
    pthread_cond_signal(&ring.filled);
    while (ring.len > 0 || ring.is_writing)
        if (pthread_cond_timedwait(&ring.emptied, &ring.lock, &end) != 0)
            break;
    pthread_mutex_unlock(&ring.lock);
}

uint64_t log_dropped(void)
{
    uint64_t dropped;

    pthread_mutex_lock(&ring.lock);
    dropped = ring.dropped;
    pthread_mutex_unlock(&ring.lock);
    return dropped;
}

/* ---- lines ---- */

static size_t print_head(char *line, size_t size, enum log_level level,
                         const char *event)
{
    static const char *const levels[] = {"ERROR", "WARN", "INFO", "DEBUG"};
    struct timespec now;
    struct tm utc;
    size_t len;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    len = strftime(line, size, "%Y-%m-%dT%H:%M:%S", &utc);
    len += (size_t)snprintf(line + len, size - len, ".%03ldZ %s %s ",
                            now.tv_nsec / 1000000, levels[level], event);
    return len < size ? len : size - 1;
}

static size_t print_line(char line[PIPE_BUF], enum log_level level, const char *event,
                         const char *fmt, va_list args)
{
    size_t len = print_head(line, PIPE_BUF, level, event);
    int more = vsnprintf(line + len, PIPE_BUF - len, fmt, args);

    if (more > 0)
        len += (size_t)more;
    if (len > PIPE_BUF - 1)
        len = PIPE_BUF - 1;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
            line[i] = ' ';
    line[len++] = '\n'; /* over the NUL */
    return len;
}

__attribute__((format(printf, 4, 5))) static size_t print_own(char line[PIPE_BUF],
                                                              enum log_level level,
                                                              const char *event,
                                                              const char *fmt, ...)
{
    va_list args;
    size_t len;

    va_start(args, fmt);
    len = print_line(line, level, event, fmt, args);
    va_end(args);
    return len;
}

/* Puts the line into the ring, or counts it; the caller holds the lock. */
static void put(const char *line, size_t len)
{
    char lost[PIPE_BUF];
    size_t lost_len = 0;

    if (ring.unsaid > 0)
        lost_len = print_own(lost, LOG_WARN, "log_dropped", "lines=%llu",
                             (unsigned long long)ring.unsaid);
    if (LOG_RING_BYTES - ring.len < lost_len + len) {
        ring.dropped++;
        ring.unsaid++;
        return;
    }
    copy_in(lost, lost_len);
    copy_in(line, len);
    ring.unsaid = 0;
    pthread_cond_signal(&ring.filled);
}

void log_write(enum log_level level, const char *event, const char *fmt, ...)
{
    int saved = errno;
    char line[PIPE_BUF];
    bool is_running;
    va_list args;
    size_t len;

    va_start(args, fmt);
    len = print_line(line, level, event, fmt, args);
    va_end(args);
    pthread_mutex_lock(&ring.lock);
    is_running = ring.is_running;
    if (is_running)
        put(line, len);
    pthread_mutex_unlock(&ring.lock);
    if (!is_running)
        write_all(line, len);
    errno = saved;
}

int log_may(struct log_limit *limit, const char *event)
{
    uint64_t left_out = 0;
    struct timespec now;
    bool may;

    clock_gettime(CLOCK_MONOTONIC, &now);
    pthread_mutex_lock(&ring.lock);
    if (limit->second != (uint64_t)now.tv_sec) {
        limit->second = (uint64_t)now.tv_sec;
        limit->count = 0;
    }
    may = limit->count < limit->per_sec;
    limit->count += may;
    limit->left_out += !may;
    if (may) {
        left_out = limit->left_out;
        limit->left_out = 0;
    }
    pthread_mutex_unlock(&ring.lock);
    if (left_out > 0)
        log_write(LOG_WARN, "log_limited", "event=\"%s\" lines=%llu", event,
                  (unsigned long long)left_out);
    return may;
}

const char *log_name(const char *name, size_t len)
{
    static const char digits[] = "0123456789ABCDEF";
    static _Thread_local char buffers[NAME_BUFFERS][NAME_BYTES + 4];
    static _Thread_local unsigned turn;
    char *buffer = buffers[turn++ % NAME_BUFFERS];
    size_t at = 0;

    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)name[i];

        if (at + 3 > NAME_BYTES) {
            at += (size_t)sprintf(buffer + at, "...");
            break;
        }
        if (c > 0x20 && c < 0x7f && c != '"' && c != '=' && c != '%') {
            buffer[at++] = (char)c;
        } else {
            buffer[at++] = '%';
            buffer[at++] = digits[c >> 4];
            buffer[at++] = digits[c & 15];
        }
    }
    buffer[at] = '\0';
    return buffer;
}
