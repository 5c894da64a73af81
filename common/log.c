/* log.c - see log.h.
 *
 * A line is put together on the stack and cut at what a pipe takes in one piece, so
 * that lines of several threads and processes on one pipe do not mix. A control
 * character in it (the words of a library, say) becomes a space: one event is one
 * line, whatever the peer sent.
 */
#include "common/log.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { NAME_BYTES = 200, NAME_BUFFERS = 4 };

enum log_level log_max = LOG_INFO;

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

void log_write(enum log_level level, const char *event, const char *fmt, ...)
{
    int saved = errno;
    char line[PIPE_BUF];
    size_t len = print_head(line, sizeof(line), level, event);
    va_list args;
    int more;

    va_start(args, fmt);
    more = vsnprintf(line + len, sizeof(line) - len, fmt, args);
    va_end(args);
    if (more > 0)
        len += (size_t)more;
    if (len > sizeof(line) - 1)
        len = sizeof(line) - 1;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
            line[i] = ' ';
    line[len++] = '\n'; /* over the NUL */
    /* Nothing can be done, and nobody told, where stderr is full or gone. */
    ssize_t written = write(STDERR_FILENO, line, len);

    (void)written;
    errno = saved;
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
