/* xalloc.h - allocation that cannot fail: out of memory aborts.
 *
 * What a peer can make us allocate is bounded where the input comes in, so a
 * failed allocation means that the machine is out of memory, and nothing sensible
 * can be done about that here. Every pointer is given back with free().
 */
#ifndef COMMON_XALLOC_H
#define COMMON_XALLOC_H

#include <stddef.h>

/* Each returns memory that the caller owns, never NULL (size 0 gives one byte). */
void *xmalloc(size_t size);
void *xcalloc(size_t count, size_t size);
void *xrealloc(void *old, size_t size);

/* Copies `text`, or `len` bytes of it and a NUL behind them. */
char *xstrdup(const char *text);
char *xmemdup(const void *bytes, size_t len);

#endif
