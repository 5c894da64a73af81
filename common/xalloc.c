/* xalloc.c - see xalloc.h. */
#include "common/xalloc.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *require(void *memory, size_t size)
{
    if (memory)
        return memory;
    /* Not the log: it may need memory itself. */
    fprintf(stderr, "out of memory: %zu bytes\n", size);
    abort();
}

void *xmalloc(size_t size)
{
    return require(malloc(size ? size : 1), size);
}

void *xcalloc(size_t count, size_t size)
{
    bool empty = count == 0 || size == 0;

    return require(empty ? calloc(1, 1) : calloc(count, size), size);
}

void *xrealloc(void *old, size_t size)
{
    return require(realloc(old, size ? size : 1), size);
}

char *xstrdup(const char *text)
{
    return xmemdup(text, strlen(text));
}

char *xmemdup(const void *bytes, size_t len)
{
    char *copy = xmalloc(len + 1);

    if (len > 0)
        memcpy(copy, bytes, len);
    copy[len] = '\0';
    return copy;
}
