/* print.c - see print.h. */
#include "tests/support/redis/print.h"

#include <stdio.h>
#include <stdlib.h>

char *print_args(const char *format, va_list args)
{
    char *text = NULL;

    if (vasprintf(&text, format, args) < 0)
        abort();
    return text;
}

char *print_text(const char *format, ...)
{
    va_list args;
    char *text;

    va_start(args, format);
    text = print_args(format, args);
    va_end(args);
    return text;
}
