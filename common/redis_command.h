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

/* A whole command of these words, in place of what was there. */
void redis_command_set_words(struct redis_command *cmd, unsigned count,
                             const char *const *words);

/* Adds the command as it is sent. */
void redis_command_print(const struct redis_command *cmd, struct strbuf *out);

void redis_command_copy(struct redis_command *out, const struct redis_command *cmd);
void redis_command_deinit(struct redis_command *cmd);

#endif
