/* log.h - one line per event on stderr: time, level, event, key=value pairs.
 *
 * The event is a fixed word that can be searched for; what varies goes into the
 * pairs. ERROR: someone must act. WARN: we coped. INFO: state of the process.
 * DEBUG: one line per message or per client; off in production. Lines of several
 * threads do not mix.
 *
 * Once log_start has run, no caller waits for the reader of stderr: lines go into a
 * ring of LOG_RING_BYTES, and a thread writes them. A line that finds no room there is
 * dropped and counted; the next line that does is preceded by `log_dropped lines=N`.
 */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

#include <stddef.h>
#include <stdint.h>

enum { LOG_RING_BYTES = 1024 * 1024 };

enum log_level { LOG_SILENT = -1, LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

extern enum log_level log_max; /* LOG_SILENT: no line at all */

void log_write(enum log_level level, const char *event, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Starts the thread that writes; once, after the settings are read. Before it, and after
 * log_stop, the thread that logs a line writes it. */
void log_start(void);

/* Writes what waits, but waits at most a second for stderr to take it. Also called at
 * exit(); call it before abort(), which would lose the line. Twice is allowed. */
void log_stop(void);

/* Lines dropped since the start, for the metric log_dropped_total; any thread. */
uint64_t log_dropped(void);

/* Of the lines from one place in the code at most `per_sec` in a second, over all threads.
 * One such object a place: static, with `per_sec` set. */
struct log_limit {
    unsigned per_sec;
    unsigned count; /* in `second` */
    uint64_t second;
    uint64_t left_out; /* not yet said */
};

/* Whether one more line may be written now. Says first how many `event` lines were left
 * out before. */
int log_may(struct log_limit *limit, const char *event);

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

#define log_limited(level, limit, event, ...)                                          \
    do {                                                                               \
        if ((level) <= log_max && log_may((limit), (event)))                           \
            log_write((level), (event), __VA_ARGS__);                                  \
    } while (0)

#endif
