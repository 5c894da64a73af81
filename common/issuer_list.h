/* issuer_list.h - who may issue tokens, and where their keys are (ROOMCAST_JWT_ISSUERS, SPEC-PUBLIC
 * P3, P4). Pure.
 *
 *     https://id.example/,https://other.example=/etc/roomcast/other.json
 */
#ifndef COMMON_ISSUER_LIST_H
#define COMMON_ISSUER_LIST_H

#include <stddef.h>

enum { ISSUER_LIST_MAX = 32, ISSUER_BYTES_MAX = 512 };

enum issuer_kind {
    ISSUER_DISCOVERED, /* its configuration says where its keys are */
    ISSUER_URL,
    ISSUER_FILE,
};

struct issuer_source {
    char *name; /* owned: the `iss` of its tokens, byte by byte */
    char *from; /* owned: the URL of its configuration or of its keys, or a file */
    enum issuer_kind kind;
};

/* Zeroed: none. */
struct issuer_list {
    struct issuer_source *all;
    size_t count;
};

/* NULL, or why the text is none: static. Replaces what was there. */
const char *issuer_list_parse(struct issuer_list *list, const char *text);

void issuer_list_deinit(struct issuer_list *list);

#endif
