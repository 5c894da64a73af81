/* log.h - one line per event on stderr: time, level, event, key=value pairs.
 *
 * The event is a fixed word that can be searched for; what varies goes into the
 * pairs. ERROR: someone must act. WARN: we coped. INFO: state of the process.
 * DEBUG: one line per message or per client; off in production. A line is one
 * write, so lines of several threads do not mix.
 */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

#include <stddef.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

extern enum log_level log_max;

void log_write(enum log_level level, const char *event, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* `name` made fit for a pair: percent-encoded but for printable ASCII without space,
 * quote, '=' and '%'; cut at some 200 bytes. Lives in a buffer of the thread until
 * the next but three call. */
const char *log_name(const char *name, size_t len);

/* The test is here, so that the arguments of a silent line are not evaluated. */
#define log_at(level, ...)                                                             \
    do {                                                                               \
        if ((level) <= log_max)                                                        \
            log_write((level), __VA_ARGS__);                                           \
    } while (0)

#define log_error(...) log_at(LOG_ERROR, __VA_ARGS__)
#define log_warn(...) log_at(LOG_WARN, __VA_ARGS__)
#define log_info(...) log_at(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_DEBUG, __VA_ARGS__)

#endif
