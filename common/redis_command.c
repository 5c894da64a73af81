/* redis_command.c - see redis_command.h. */
#include "common/redis_command.h"

#include <string.h>

void redis_command_begin(struct redis_command *cmd)
{
    strbuf_reset(&cmd->args, 64 * 1024);
    cmd->argc = 0;
}

/* Most arguments have less than a hundred bytes. */
static inline char *print_len(char *at, size_t len)
{
    char digits[STRBUF_U64_DIGITS];
    const char *first;

    if (len < 10) {
        *at++ = (char)('0' + len);
        return at;
    }
    if (len < 100) {
        *at++ = (char)('0' + len / 10);
        *at++ = (char)('0' + len % 10);
        return at;
    }
    first = strbuf_print_u64(digits, len);
    return mempcpy(at, first, (size_t)(digits + sizeof(digits) - first));
}

/* "$LEN", the bytes and their line ends at one go: a message takes some twenty of these. */
void redis_command_add(struct redis_command *cmd, const char *bytes, size_t len)
{
    char *start = strbuf_reserve(&cmd->args, 1 + STRBUF_U64_DIGITS + 2 + len + 2);
    char *at = start;

    *at++ = '$';
    at = print_len(at, len);
    at = mempcpy(at, "\r\n", 2);
    at = len > 0 ? mempcpy(at, bytes, len) : at; /* bytes may be NULL then */
    memcpy(at, "\r\n", 3);
    cmd->args.len += (size_t)(at + 2 - start);
    cmd->argc++;
}

void redis_command_add_text(struct redis_command *cmd, const char *text)
{
    redis_command_add(cmd, text, strlen(text));
}

void redis_command_add_u64(struct redis_command *cmd, uint64_t value)
{
    char digits[STRBUF_U64_DIGITS];
    const char *first = strbuf_print_u64(digits, value);

    redis_command_add(cmd, first, (size_t)(digits + sizeof(digits) - first));
}

void redis_command_set_words(struct redis_command *cmd, unsigned count,
                             const char *const *words)
{
    redis_command_begin(cmd);
    for (unsigned i = 0; i < count; i++)
        redis_command_add_text(cmd, words[i]);
}

void redis_command_print(const struct redis_command *cmd, struct strbuf *out)
{
    strbuf_add_char(out, '*');
    strbuf_add_u64(out, cmd->argc);
    strbuf_add(out, "\r\n", 2);
    strbuf_add(out, cmd->args.data, cmd->args.len);
}

void redis_command_copy(struct redis_command *out, const struct redis_command *cmd)
{
    redis_command_begin(out);
    strbuf_add(&out->args, cmd->args.data, cmd->args.len);
    out->argc = cmd->argc;
}

void redis_command_deinit(struct redis_command *cmd)
{
    strbuf_deinit(&cmd->args);
}
