/* json_path.c - see json_path.h. */
#include "tests/support/fleet/json_path.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

const cJSON *json_path_find(const cJSON *at, const char *path)
{
    char name[64];

    while (at && *path) {
        size_t len = strcspn(path, ".");

        assert_true(len < sizeof(name));
        memcpy(name, path, len);
        name[len] = '\0';
        if (cJSON_IsArray(at))
            at = cJSON_GetArrayItem(at, atoi(name));
        else
            at = cJSON_GetObjectItemCaseSensitive(at, name);
        path += len + (path[len] == '.');
    }
    return at;
}
