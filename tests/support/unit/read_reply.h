/* read_reply.h - replies of Redis for unit tests, out of their bytes, as a link reads them. */
#ifndef TESTS_SUPPORT_UNIT_READ_REPLY_H
#define TESTS_SUPPORT_UNIT_READ_REPLY_H

#include "common/reply.h"

/* One reply; good until the next call. Fails unless the bytes are a whole one. */
const redisReply *read_reply(const char *bytes);

/* Once at a group's beginning and end. */
void read_reply_open(void);
void read_reply_close(void);

#endif
