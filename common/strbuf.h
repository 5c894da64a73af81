/* strbuf.h - bytes that grow. Zeroed is empty; what is in `data` is always followed
 * by a NUL that `len` does not count (unless nothing was ever added: data is NULL).
 */
#ifndef COMMON_STRBUF_H
#define COMMON_STRBUF_H

#include <stddef.h>
#include <stdint.h>

struct strbuf {
    char *data;
    size_t len, cap;
};

void strbuf_deinit(struct strbuf *b);

/* Empties; keeps the memory unless it is more than `keep_bytes`. */
void strbuf_reset(struct strbuf *b, size_t keep_bytes);

/* Makes room for `more` bytes and a NUL behind `len`, and returns where they go. The
 * caller raises `len` and puts the NUL. */
char *strbuf_reserve(struct strbuf *b, size_t more);

void strbuf_add(struct strbuf *b, const void *bytes, size_t len);
void strbuf_add_text(struct strbuf *b, const char *text);
void strbuf_add_char(struct strbuf *b, char c);
void strbuf_add_u64(struct strbuf *b, uint64_t value);
void strbuf_add_format(struct strbuf *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Prints the number so that it ends where `digits` does; returns its first digit, borrowed.
 * Not terminated. */
enum { STRBUF_U64_DIGITS = 20 };
const char *strbuf_print_u64(char digits[STRBUF_U64_DIGITS], uint64_t value);

/* Adds `text` (UTF-8) as a JSON string with its quotes: quote, backslash and control
 * characters (also U+007F) are escaped, all else stays as it is. */
void strbuf_add_json(struct strbuf *b, const char *text, size_t len);

/* How many bytes at the start of `text` stand in a JSON string as they are and in ASCII: no
 * quote, backslash or control character. */
size_t strbuf_plain_len(const char *text, size_t len);

/* Adds `text` percent-encoded: all but RFC 3986's unreserved characters. */
void strbuf_add_percent(struct strbuf *b, const char *text, size_t len);

/* Removes the first `len` bytes. */
void strbuf_drop_front(struct strbuf *b, size_t len);

#endif
