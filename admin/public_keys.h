/* public_keys.h - of a JWKS what gateways verify tokens with: its usable keys, and of those only what is
 * public. Pure. */
#ifndef ADMIN_PUBLIC_KEYS_H
#define ADMIN_PUBLIC_KEYS_H

#include <stdbool.h>

#include "common/json.h"
#include "common/strbuf.h"

enum public_keys_result { PUBLIC_KEYS_OK, PUBLIC_KEYS_NO_SET, PUBLIC_KEYS_NONE };

/* Adds `{"keys":[…]}`; nothing but for PUBLIC_KEYS_OK. `left_out`: entries that are no usable key; as it
 * was for PUBLIC_KEYS_NO_SET. */
enum public_keys_result public_keys_add(struct strbuf *out, struct json_text set,
                                        size_t *left_out);

/* Adds the kids of a set as JSON, an array of strings, and null for a key without one. */
void public_keys_add_kids(struct strbuf *out, struct json_text set);

#endif
