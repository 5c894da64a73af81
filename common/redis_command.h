/* redis_command.h - a command to Redis while it is put together. */
#ifndef COMMON_REDIS_COMMAND_H
#define COMMON_REDIS_COMMAND_H

#include <stddef.h>
#include <stdint.h>

#include "common/strbuf.h"

/* A command being put together, in RESP; zeroed is ready for redis_command_begin. */
struct redis_command {
    struct strbuf args;
    unsigned argc;
};

/* Empties the command, keeping its memory; then adds each argument, copied. */
void redis_command_begin(struct redis_command *cmd);
void redis_command_add(struct redis_command *cmd, const char *bytes, size_t len);
void redis_command_add_text(struct redis_command *cmd, const char *text);
void redis_command_add_u64(struct redis_command *cmd, uint64_t value);
void redis_command_deinit(struct redis_command *cmd);

#endif
