/* big_console.c - see big_console.h. */
#include "tests/support/fleet/big_console.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "tests/support/redis/print.h"

enum { FILE_BYTES = 4 * 1024 * 1024 };

char *big_console_write(const char *parent)
{
    char *dir = print_text("%s/console", parent);
    char *index = print_text("%s/index.html", dir), *big = print_text("%s/big.js", dir);
    FILE *file;

    assert_int_equal(mkdir(dir, 0700), 0);
    file = fopen(index, "w");
    assert_non_null(file);
    fputs("<!doctype html>", file);
    fclose(file);
    file = fopen(big, "w");
    assert_non_null(file);
    for (int i = 0; i < FILE_BYTES; i++)
        fputc('x', file);
    fclose(file);
    free(index);
    free(big);
    return dir;
}
