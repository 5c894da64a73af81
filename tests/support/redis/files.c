/* files.c - see files.h. */
#include "tests/support/redis/files.h"

#include <ftw.h>
#include <stdio.h>

#include "common/strbuf.h"
#include "common/xalloc.h"

enum { OPEN_DIRECTORIES = 8 };

char *files_read(const char *path)
{
    struct strbuf text = {NULL, 0, 0};
    FILE *file = fopen(path, "r");
    char bytes[4096];
    size_t n;

    while (file && (n = fread(bytes, 1, sizeof(bytes), file)) > 0)
        strbuf_add(&text, bytes, n);
    if (file)
        fclose(file);
    return text.data ? text.data : xstrdup("");
}

static int remove_one(const char *path, const struct stat *what, int kind,
                      struct FTW *where)
{
    (void)what;
    (void)kind;
    (void)where;
    return remove(path);
}

void files_remove(const char *path)
{
    nftw(path, remove_one, OPEN_DIRECTORIES, FTW_DEPTH | FTW_PHYS);
}
