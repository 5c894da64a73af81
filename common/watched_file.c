/* watched_file.c - see watched_file.h. */
#include "common/watched_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/xalloc.h"

void watched_file_init(struct watched_file *file, const char *name, const char *path)
{
    *file = (struct watched_file){.name = name};
    if (path && path[0])
        file->path = xstrdup(path);
}

void watched_file_deinit(struct watched_file *file)
{
    free(file->path);
    *file = (struct watched_file){0};
}

static bool is_same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
           a->st_size == b->st_size && is_same_time(a->st_mtim, b->st_mtim) &&
           is_same_time(a->st_ctim, b->st_ctim);
}

static bool fail(struct watched_file *file, const char *why)
{
    if (!file->has_failed)
        log_error("file_unread", "setting=%s path=%s why=\"%s\"", file->name,
                  log_name(file->path, strlen(file->path)), why);
    file->has_failed = true;
    return false;
}

/* A pipe must not stop the loop. */
static FILE *open_file(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    return fd < 0 ? NULL : fdopen(fd, "r");
}

static bool read_all(struct watched_file *file, struct strbuf *text)
{
    FILE *in = open_file(file->path);
    size_t len;
    bool failed;

    if (!in)
        return fail(file, strerror(errno));
    strbuf_reset(text, 0);
    len = fread(strbuf_reserve(text, WATCHED_FILE_BYTES_MAX + 1), 1,
                WATCHED_FILE_BYTES_MAX + 1, in);
    failed = ferror(in);
    fclose(in);
    if (failed)
        return fail(file, "it cannot be read");
    if (len > WATCHED_FILE_BYTES_MAX || memchr(text->data, '\0', len))
        return fail(file, "it is too long, or no text");
    text->len = len;
    text->data[len] = '\0';
    return true;
}

/* What it says of itself, unless that is as before. */
static bool has_changed(struct watched_file *file, struct stat *now)
{
    if (!file->path)
        return false;
    if (stat(file->path, now) < 0)
        return fail(file, strerror(errno));
    return !file->is_read || !is_same(now, &file->seen);
}

/* A file that fails is tried again each time, until it is as it was. */
bool watched_file_take(struct watched_file *file, struct strbuf *text)
{
    struct stat now;

    if (!has_changed(file, &now) || !read_all(file, text))
        return false;
    file->seen = now;
    file->is_read = true;
    file->has_failed = false;
    return true;
}

void watched_file_skip(struct watched_file *file)
{
    file->is_read = file->path && stat(file->path, &file->seen) == 0;
}
