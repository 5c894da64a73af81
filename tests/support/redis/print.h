/* print.h - text in the manner of printf, however long: a path, a setting, a request. */
#ifndef TESTS_SUPPORT_REDIS_PRINT_H
#define TESTS_SUPPORT_REDIS_PRINT_H

#include <stdarg.h>

/* To be freed. */
char *print_text(const char *format, ...) __attribute__((format(printf, 1, 2)));
char *print_args(const char *format, va_list args)
    __attribute__((format(printf, 1, 0)));

#endif
