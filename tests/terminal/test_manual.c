/* test_manual.c - the man page and --help tell of the same settings, and the page is well formed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/strbuf.h"
#include "common/xalloc.h"

static char *output_of(const char *format, const char *path)
{
    struct strbuf text = {NULL, 0, 0};
    char command[1024], bytes[4096];
    FILE *pipe;
    size_t n;

    snprintf(command, sizeof(command), format, path);
    pipe = popen(command, "r");
    assert_non_null(pipe);
    while ((n = fread(bytes, 1, sizeof(bytes), pipe)) > 0)
        strbuf_add(&text, bytes, n);
    assert_int_equal(pclose(pipe), 0);
    return text.data ? text.data : xstrdup("");
}

static char *help(void)
{
    return output_of("%s/roomcast --help", getenv("ROOMCAST_BIN"));
}

static char *page(void)
{
    return output_of("groff -man -Tascii -rLL=400n -rHY=0 -P-cbou %s/client/roomcast.1",
                     getenv("ROOMCAST_SOURCE"));
}

/* How often words of this form stand in `text`; each must stand in `other`. */
static int compare(const char *text, const char *start, const char *letters,
                   const char *other)
{
    int count = 0;

    for (const char *at = text; (at = strstr(at, start));) {
        size_t len = strlen(start) + strspn(at + strlen(start), letters);
        char *word = xmemdup(at, len);

        if (len > strlen(start)) {
            if (!strstr(other, word))
                fail_msg("%s is told in one of them only", word);
            count++;
        }
        at += len;
        free(word);
    }
    return count;
}

static void they_tell_of_the_same_flags_and_variables(void **state)
{
    static const char lower[] = "abcdefghijklmnopqrstuvwxyz-";
    static const char upper[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ_";
    char *a = help(), *b = page();

    (void)state;
    assert_true(compare(a, "--", lower, b) >= 8);
    assert_true(compare(b, "--", lower, a) >= 8);
    assert_true(compare(a, "ROOMCAST_", upper, b) >= 7);
    assert_true(compare(b, "ROOMCAST_", upper, a) >= 7);
    assert_non_null(strstr(b, "NO_COLOR"));
    free(a);
    free(b);
}

static void the_page_is_well_formed(void **state)
{
    char *complaints = output_of("groff -man -Tutf8 -ww -z %s/client/roomcast.1 2>&1",
                                 getenv("ROOMCAST_SOURCE"));

    (void)state;
    assert_string_equal(complaints, "");
    free(complaints);
}

static void the_version_is_told(void **state)
{
    char *version = output_of("%s/roomcast --version", getenv("ROOMCAST_BIN"));

    (void)state;
    assert_string_equal(version, "roomcast " ROOMCAST_VERSION "\n");
    free(version);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_tell_of_the_same_flags_and_variables),
        cmocka_unit_test(the_page_is_well_formed),
        cmocka_unit_test(the_version_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
