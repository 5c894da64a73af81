/* fuzz_classes.c - any text as the classes of a PUT.
 *
 * What is taken is printed as classes that are taken again, and each is found by its prefix; what is refused
 * says why, in UTF-8.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/classes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct class_rules fallback;

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void check(const struct classes *classes)
{
    for (size_t i = 0; i < classes->count; i++)
        require(classes_get(classes, class_prefix(classes->all[i])) == classes->all[i]);
}

static void check_again(const struct classes *classes)
{
    struct strbuf printed = {NULL, 0, 0}, again = {NULL, 0, 0}, why = {NULL, 0, 0};
    struct classes second;

    classes_init(&second, &fallback);
    classes_print(&printed, classes);
    require(
        classes_parse(&second, (struct json_text){printed.data, printed.len}, &why));
    classes_print(&again, &second);
    require(strcmp(printed.data, again.data) == 0);
    classes_deinit(&second);
    strbuf_deinit(&printed);
    strbuf_deinit(&again);
    strbuf_deinit(&why);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    struct strbuf why = {NULL, 0, 0};
    struct classes classes;

    classes_init(&classes, &fallback);
    if (classes_parse(&classes, (struct json_text){size > 0 ? text : "", size}, &why)) {
        check(&classes);
        check_again(&classes);
    } else {
        require(why.len > 0 && json_is_utf8(why.data, why.len));
    }
    (void)classes_find(&classes, (struct json_text){size > 0 ? text : "", size % 129});
    classes_deinit(&classes);
    strbuf_deinit(&why);
    return 0;
}
