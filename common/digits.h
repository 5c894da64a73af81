/* digits.h - numbers as digits, from outside: nothing but digits, no sign, no space. */
#ifndef COMMON_DIGITS_H
#define COMMON_DIGITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The value of the first `count` hex digits of `text`, in either case, at most four; -1 where
 * one of them is none. */
int digits_parse_hex(const char *text, size_t count);

/* Prints two hex digits a byte, in lower case, and a NUL: 2 * `count` + 1 bytes. */
void digits_print_hex(char *out, const unsigned char *bytes, size_t count);

/* A number from 0 to `max`, of at most 19 digits, which fit 64 bits. */
bool digits_parse(const char *text, size_t len, uint64_t max, uint64_t *out);

#endif
