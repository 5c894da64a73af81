/* json_read.h - looking into JSON: what common/json.h's json_scan has checked
 * and listed, field by field. Values point into the text and nothing is copied but where
 * it says so.
 */
#ifndef COMMON_JSON_READ_H
#define COMMON_JSON_READ_H

#include <stdbool.h>
#include <stdint.h>

#include "common/json.h"
#include "common/strbuf.h"

/* The value of the member `name`; of length 0 where there is none. */
struct json_text json_read_find(const struct json_members *members, const char *name);

/* A number without sign as it stands; 0 for anything else. */
uint64_t json_read_number(struct json_text token);

/* Whether the token is the string `text` (ASCII without anything to escape). */
bool json_read_is(struct json_text token, const char *text);

bool json_read_is_true(struct json_text token);
bool json_read_is_string(struct json_text token);

/* Copies a string of ASCII without escapes, cut to `size` with its NUL. */
void json_read_copy(char *out, size_t size, struct json_text token);

/* Adds the characters that a string stands for, in UTF-8; nothing if it is no string. */
void json_read_text(struct strbuf *out, struct json_text token);

/* The same as a new string, to be freed. */
char *json_read_dup(struct json_text token);

/* The next element of an array; start with *at = 0. False: that was the last. */
bool json_read_next(struct json_text array, size_t *at, struct json_text *out);

/* Whether a name is there twice, in whichever way it is written. */
bool json_read_has_twice(const struct json_members *members);

#endif
