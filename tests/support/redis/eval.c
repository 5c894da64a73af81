/* eval.c - see eval.h. */
#include "tests/support/redis/eval.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/xalloc.h"
#include "tests/support/redis/print.h"
#include "tests/support/redis/redis_cmd.h"

/* Tells where the notices so far end; no roomcast channel. */
#define MARK "eval-mark"

static redisContext *connect_to(int port)
{
    struct timeval patience = {.tv_sec = 30};
    redisContext *redis = redisConnectWithTimeout("127.0.0.1", port, patience);

    assert_non_null(redis);
    assert_int_equal(redis->err, 0);
    redisSetTimeout(redis, patience);
    return redis;
}

static void expect_no_error(redisReply *reply)
{
    assert_non_null(reply);
    if (reply->type == REDIS_REPLY_ERROR)
        fail_msg("%s", reply->str);
    freeReplyObject(reply);
}

static void connect_all(struct eval *e)
{
    e->admin = connect_to(eval_port(e));
    e->caller = connect_to(eval_port(e));
    e->notices = connect_to(eval_port(e));
    expect_no_error(redisCommand(e->admin, "ACL SETUSER caller on nopass +@all"));
    expect_no_error(redisCommand(e->caller, "AUTH caller any"));
    expect_no_error(redisCommand(e->notices, "PSUBSCRIBE rc:*"));
    expect_no_error(redisCommand(e->notices, "SUBSCRIBE " MARK));
}

int eval_start(struct eval *e)
{
    static const char *const args[] = {"--enable-debug-command", "yes", NULL};

    *e = (struct eval){.argc = 0};
    redis_server_open(&e->server, &(struct redis_server_opts){.args = args});
    e->port = e->server.port;
    connect_all(e);
    return 0;
}

void eval_start_at_node(struct eval *e, int port)
{
    *e = (struct eval){.port = port, .is_cluster = true};
    connect_all(e);
}

const char *eval_name(const struct eval *e, const char *name)
{
    static char sharded[128];

    if (!e->is_cluster || strchr(name, '{'))
        return name;
    snprintf(sharded, sizeof(sharded), "rc:shard:{10}:%s", name + strlen("rc:"));
    return sharded;
}

static void drop_call(struct eval *e)
{
    for (unsigned i = 0; i < e->argc; i++)
        free((char *)e->argv[i]);
    e->argc = e->keys = 0;
}

int eval_stop(struct eval *e)
{
    drop_call(e);
    redisFree(e->admin);
    redisFree(e->caller);
    redisFree(e->notices);
    strbuf_deinit(&e->text);
    strbuf_deinit(&e->notices_text);
    strbuf_deinit(&e->state);
    if (!e->is_cluster)
        redis_server_close(&e->server);
    return 0;
}

int eval_teardown(void **state)
{
    return eval_stop(*state);
}

int eval_reset(struct eval *e)
{
    if (!e->is_cluster)
        eval_refuse_no_more(e);
    redis_cmd(eval_port(e), "FLUSHALL");
    eval_notices(e, NULL);
    return 0;
}

int eval_port(const struct eval *e)
{
    return e->port;
}

/* ---- a call ---- */

static void add(struct eval *e, const char *bytes, size_t len)
{
    assert_true(e->argc < EVAL_ARGS_MAX);
    e->argv[e->argc] = xmemdup(bytes, len);
    e->lens[e->argc++] = len;
}

static void add_format(struct eval *e, const char *format, va_list args)
{
    char *text = print_args(format, args);

    add(e, text, strlen(text));
    free(text);
}

void eval_begin(struct eval *e, enum script script)
{
    const char *source = scripts_source(script);

    drop_call(e);
    e->script = script;
    add(e, "EVAL", 4);
    add(e, source, strlen(source));
    add(e, "", 0); /* how many keys */
}

void eval_key(struct eval *e, const char *format, ...)
{
    va_list args;
    char *name;

    assert_int_equal(e->argc, 3 + e->keys); /* keys come first */
    va_start(args, format);
    name = print_args(format, args);
    va_end(args);
    add(e, eval_name(e, name), strlen(eval_name(e, name)));
    free(name);
    e->keys++;
}

void eval_arg(struct eval *e, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add_format(e, format, args);
    va_end(args);
}

void eval_arg_bytes(struct eval *e, const void *bytes, size_t len)
{
    add(e, bytes, len);
}

/* A pattern of an ACL that matches `key`; a sign that means something there stands for
 * any byte. */
static char *new_pattern(char kind, const char *key)
{
    char *pattern = xcalloc(1, strlen(key) + 2);

    pattern[0] = kind;
    for (size_t i = 0; key[i]; i++)
        pattern[i + 1] = strchr("*?[]\\^- \t\n", key[i]) ? '?' : key[i];
    return pattern;
}

/* The caller may touch the keys of this call, and publish to them. */
static void allow_keys(struct eval *e)
{
    unsigned argc = 0;
    const char **argv = xcalloc(7 + 2 * (size_t)e->keys, sizeof(*argv));
    static const char *const begin[] = {"ACL", "SETUSER", "caller", "reset",
                                        "on",  "nopass",  "+@all"};

    for (; argc < 7; argc++)
        argv[argc] = begin[argc];
    for (unsigned i = 0; i < e->keys; i++) {
        argv[argc++] = new_pattern('~', e->argv[3 + i]);
        argv[argc++] = new_pattern('&', e->argv[3 + i]);
    }
    expect_no_error(redisCommandArgv(e->admin, (int)argc, argv, NULL));
    while (argc > 7)
        free((char *)argv[--argc]);
    free(argv);
}

/* Whether the text is a token, or what meta says of the terms: numbers, and ids of a server. */
static bool tells_of_servers(const char *text, size_t len)
{
    size_t digits = strspn(text, "0123456789");

    return digits > 0 && len >= digits + 17 &&
           (text[digits] == '.' || text[digits] == ' ') &&
           strspn(text + digits + 1, "0123456789abcdef") == 16;
}

static void print_reply(struct eval *e, struct strbuf *out, const redisReply *reply)
{
    if (reply->type == REDIS_REPLY_INTEGER) {
        strbuf_add_format(out, "%lld", reply->integer);
    } else if (reply->type == REDIS_REPLY_NIL) {
        strbuf_add_text(out, "nil");
    } else if (reply->type == REDIS_REPLY_ARRAY) {
        strbuf_add_char(out, '(');
        for (size_t i = 0; i < reply->elements; i++) {
            const redisReply *element = reply->element[i];

            if (!e->shows_tokens && element->type == REDIS_REPLY_STRING &&
                tells_of_servers(element->str, (size_t)element->len))
                continue;
            if (i > 0)
                strbuf_add_char(out, ' ');
            print_reply(e, out, element);
        }
        strbuf_add_char(out, ')');
    } else {
        const char *quote = reply->type == REDIS_REPLY_ERROR ? "" : "'";

        strbuf_add_text(out, *quote ? quote : "!");
        strbuf_add(out, reply->str, (size_t)reply->len);
        strbuf_add_text(out, quote);
    }
}

const char *eval_run(struct eval *e)
{
    redisReply *reply;
    struct strbuf keys = {0};

    allow_keys(e);
    strbuf_add_u64(&keys, e->keys);
    free((char *)e->argv[2]);
    e->argv[2] = keys.data;
    e->lens[2] = keys.len;
    if (e->asks)
        expect_no_error(redisCommand(e->caller, "ASKING"));
    reply = redisCommandArgv(e->caller, (int)e->argc, e->argv, e->lens);
    assert_non_null(reply);
    strbuf_reset(&e->text, 4096);
    print_reply(e, &e->text, reply);
    freeReplyObject(reply);
    return e->text.data;
}

/* ---- what came of it ---- */

static redisReply *read_push(struct eval *e)
{
    redisReply *push = NULL;

    if (redisGetReply(e->notices, (void **)&push) != REDIS_OK)
        fail_msg("no notices: %s", e->notices->errstr);
    return push;
}

/* The token is the last word of the header. */
static void add_notice(struct eval *e, const char *text, size_t len)
{
    size_t head = strcspn(text, "\n"), word = head;

    while (word > 0 && text[word - 1] != ' ')
        word--;
    if (e->shows_tokens || word == 0 || !tells_of_servers(text + word, head - word)) {
        strbuf_add(&e->notices_text, text, len);
        return;
    }
    strbuf_add(&e->notices_text, text, word - 1);
    strbuf_add(&e->notices_text, text + head, len - head);
}

static void take_notice(struct eval *e, const redisReply *push, const char *channel)
{
    if (channel && strcmp(push->element[2]->str, channel) != 0)
        fail_msg("a notice on %s: %s", push->element[2]->str, push->element[3]->str);
    if (e->notices_text.len > 0)
        strbuf_add_text(&e->notices_text, "\n\n");
    add_notice(e, push->element[3]->str, (size_t)push->element[3]->len);
}

const char *eval_notices(struct eval *e, const char *channel)
{
    strbuf_reset(&e->notices_text, 4096);
    strbuf_reserve(&e->notices_text, 1)[0] = '\0';
    redis_cmd(eval_port(e), "PUBLISH " MARK " end");
    for (;;) {
        redisReply *push = read_push(e);

        if (push->elements != 4) { /* the mark */
            freeReplyObject(push);
            return e->notices_text.data;
        }
        take_notice(e, push, channel);
        freeReplyObject(push);
    }
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp((*(redisReply *const *)a)->str, (*(redisReply *const *)b)->str);
}

/* In ms since 1970. In a cluster the key may be in a slot that is on its way here. */
static long long expiry_of(struct eval *e, const char *key)
{
    redisReply *reply;
    long long ms;

    if (e->is_cluster)
        expect_no_error(redisCommand(e->admin, "ASKING"));
    reply = redisCommand(e->admin, "PEXPIRETIME %s", key);
    assert_non_null(reply);
    assert_int_equal(reply->type, REDIS_REPLY_INTEGER);
    ms = reply->integer;
    freeReplyObject(reply);
    return ms;
}

char *eval_state(struct eval *e)
{
    redisReply *keys = redis_cmd_reply(eval_port(e), "KEYS *");
    char *digest = redis_cmd_text(eval_port(e), "DEBUG DIGEST");

    assert_non_null(keys);
    if (keys->elements > 0)
        qsort(keys->element, keys->elements, sizeof(keys->element[0]), compare_texts);
    strbuf_reset(&e->state, 4096);
    strbuf_add_text(&e->state, digest);
    for (size_t i = 0; i < keys->elements; i++)
        strbuf_add_format(&e->state, "\n%s until %lld", keys->element[i]->str,
                          expiry_of(e, keys->element[i]->str));
    freeReplyObject(keys);
    free(digest);
    return xstrdup(e->state.data);
}

long long eval_now_ms(struct eval *e)
{
    redisReply *time = redis_cmd_reply(eval_port(e), "TIME");
    long long now_ms;

    assert_non_null(time);
    now_ms = atoll(time->element[0]->str) * 1000 + atoll(time->element[1]->str) / 1000;
    freeReplyObject(time);
    return now_ms;
}

void eval_refuse(struct eval *e, enum eval_refusal why)
{
    if (why == EVAL_OOM)
        redis_cmd(eval_port(e), "CONFIG SET maxmemory 1");
    else if (why == EVAL_READONLY)
        redis_cmd(eval_port(e), "REPLICAOF 127.0.0.1 1");
    else
        redis_cmd(eval_port(e), "CONFIG SET min-replicas-to-write 1");
}

void eval_refuse_no_more(struct eval *e)
{
    redis_cmd(eval_port(e), "CONFIG SET maxmemory 0");
    redis_cmd(eval_port(e), "CONFIG SET min-replicas-to-write 0");
    redis_cmd(eval_port(e), "REPLICAOF NO ONE");
}
