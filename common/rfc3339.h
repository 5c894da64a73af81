/* rfc3339.h - moments as people write them: 2027-01-31T18:00:00Z, 2027-01-31T19:00:00.5+01:00. Pure. */
#ifndef COMMON_RFC3339_H
#define COMMON_RFC3339_H

#include <stdbool.h>
#include <stdint.h>

#include "common/json.h"

/* In ms since 1970; what is behind the third decimal does not count. False: it is none, or before 1970. */
bool rfc3339_parse(struct json_text text, uint64_t *out);

#endif
