/* watched_file.h - a small file that is read again when it changes: secrets, lists, certificates.
 *
 *     if (watched_file_take(&file, &text))
 *         … it is new, or was changed since the last call …
 *
 * Looks at what the file system says of it, so a call costs a stat() while nothing changes. Also
 * of a file that another one was renamed to, or a link that leads elsewhere now.
 */
#ifndef COMMON_WATCHED_FILE_H
#define COMMON_WATCHED_FILE_H

#include <stdbool.h>
#include <time.h>

#include <sys/stat.h>

#include "common/strbuf.h"

enum { WATCHED_FILE_BYTES_MAX = 1024 * 1024 };

/* Zeroed: there is none. */
struct watched_file {
    char *path;       /* owned */
    const char *name; /* of the setting, for the log; borrowed */
    struct stat seen; /* when it was read last */
    bool is_read, has_failed;
};

/* `path` empty: there is none. */
void watched_file_init(struct watched_file *file, const char *name, const char *path);
void watched_file_deinit(struct watched_file *file);

/* True: its text, new since the last time, replaces what is in `text`. A file that cannot be read, or has more
 * than WATCHED_FILE_BYTES_MAX or a NUL in it, is logged once, and is as if it had not changed. */
bool watched_file_take(struct watched_file *file, struct strbuf *text);

/* The first call finds nothing new: somebody has read it at the start. */
void watched_file_skip(struct watched_file *file);

#endif
