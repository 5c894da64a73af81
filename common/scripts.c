/* scripts.c - see scripts.h.
 *
 *     scripts_begin, arguments, scripts_send -> on_reply
 *                                  ^               | NOSCRIPT
 *                                  +-- EVAL <------+
 *
 * A call keeps its arguments until the reply, because only then is it known whether
 * they must be sent again. They are sent again once: EVAL carries the source, so a Redis
 * that answers NOSCRIPT to that would answer it each time.
 */
#include "common/scripts.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/sha.h>

#include "common/digits.h"
#include "common/reply.h"
#include "common/xalloc.h"
#include "scripts_embedded.h"

static struct {
    const char *source;
    char digest[2 * SHA_DIGEST_LENGTH + 1];
} scripts[] = {
#define X(id, name) [id] = {lua_##name, ""},
    SCRIPTS(X)
#undef X
};

/* The RESP bytes of "EVALSHA" and a digest, in front of the number of keys. */
enum { EVALSHA_BYTES = 4 + 7 + 2 + 5 + 40 + 2 };

struct call {
    struct redis_link *link;
    redis_reply_fn on_reply;
    void *data;
    enum script script;
    unsigned argc;
    bool is_again; /* sent with the source */
    uint64_t sent_ms;
    size_t tail_len;
    char tail[]; /* the arguments behind the digest, in RESP */
};

/* The same, but it publishes by SPUBLISH; stays for the life of the process. */
static const char *shard(const char *source)
{
    static const char word[] = "'PUBLISH'";
    struct strbuf copy = {NULL, 0, 0};

    if (!strstr(source, word))
        return source;
    for (const char *at; (at = strstr(source, word)); source = at + strlen(word)) {
        strbuf_add(&copy, source, (size_t)(at - source));
        strbuf_add_text(&copy, "'SPUBLISH'");
    }
    strbuf_add_text(&copy, source);
    return copy.data;
}

void scripts_init(bool is_cluster)
{
    for (int i = 0; i < SCRIPTS_COUNT; i++) {
        unsigned char raw[SHA_DIGEST_LENGTH];

        if (is_cluster)
            scripts[i].source = shard(scripts[i].source);
        SHA1((const unsigned char *)scripts[i].source, strlen(scripts[i].source), raw);
        digits_print_hex(scripts[i].digest, raw, sizeof(raw));
    }
}

const char *scripts_source(enum script script)
{
    return scripts[script].source;
}

void scripts_load(struct redis_link *link)
{
    struct redis_command cmd = {{0}, 0};

    for (int i = 0; i < SCRIPTS_COUNT; i++) {
        redis_command_begin(&cmd);
        redis_command_add_text(&cmd, "SCRIPT");
        redis_command_add_text(&cmd, "LOAD");
        redis_command_add_text(&cmd, scripts[i].source);
        if (redis_link_send(link, &cmd, NULL, NULL) < 0)
            break; /* the first call that needs it sends it again */
    }
    redis_command_deinit(&cmd);
}

void scripts_begin(struct redis_command *cmd, enum script script, unsigned keys)
{
    redis_command_begin(cmd);
    redis_command_add(cmd, "EVALSHA", 7);
    redis_command_add(cmd, scripts[script].digest, 2 * SHA_DIGEST_LENGTH);
    assert(cmd->args.len == EVALSHA_BYTES);
    redis_command_add_u64(cmd, keys);
}

static int send_source(struct call *call, redis_reply_fn on_reply)
{
    struct redis_command cmd = {{0}, 0};
    int rc;

    redis_command_begin(&cmd);
    redis_command_add(&cmd, "EVAL", 4);
    redis_command_add_text(&cmd, scripts[call->script].source);
    strbuf_add(&cmd.args, call->tail, call->tail_len);
    cmd.argc = call->argc;
    call->is_again = true;
    rc = redis_link_send_again(call->link, &cmd, on_reply, call, call->sent_ms);
    redis_command_deinit(&cmd);
    return rc;
}

static void on_reply(void *data, int status, const redisReply *reply)
{
    struct call *call = data;

    if (status == UV_EREMOTEIO && !call->is_again &&
        strncmp(reply_error(reply), "NOSCRIPT", 8) == 0) {
        status = send_source(call, on_reply);
        if (status == 0)
            return;
        reply = NULL;
    }
    if (call->on_reply)
        call->on_reply(call->data, status, reply);
    free(call);
}

int scripts_send(struct redis_link *link, enum script script,
                 const struct redis_command *cmd, redis_reply_fn on_done, void *data)
{
    size_t tail_len = cmd->args.len - EVALSHA_BYTES;
    struct call *call;
    int rc;

    if (!redis_link_is_ready(link))
        return UV_ENOTCONN;
    call = xmalloc(sizeof(*call) + tail_len);
    *call = (struct call){
        link, on_done, data, script, cmd->argc, false, redis_link_now(link), tail_len};
    memcpy(call->tail, cmd->args.data + EVALSHA_BYTES, tail_len);
    rc = redis_link_send(link, cmd, on_reply, call);
    if (rc < 0)
        free(call);
    return rc;
}
