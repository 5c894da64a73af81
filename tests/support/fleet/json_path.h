/* json_path.h - a place in a JSON tree: "messages.0.text" is the field `text` of the first
 * element of `messages`. A name holds no dot.
 */
#ifndef TESTS_SUPPORT_FLEET_JSON_PATH_H
#define TESTS_SUPPORT_FLEET_JSON_PATH_H

#include <cjson/cJSON.h>

/* What is there, borrowed from the tree, or NULL. "" is `at` itself; `at` may be NULL. */
const cJSON *json_path_find(const cJSON *at, const char *path);

#endif
