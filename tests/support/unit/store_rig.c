/* store_rig.c - see store_rig.h. */
#include "tests/support/unit/store_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/xalloc.h"

struct store_rig store_rig;

void store_rig_open(const struct config *config, struct metrics *metrics)
{
    memset(&store_rig, 0, sizeof(store_rig));
    keys_set_prefix("rc");
    scripts_init(false);
    store_rig.store.config = config;
    store_rig.store.metrics = metrics;
    strcpy(store_rig.store.node, "n1");
    store_rig.store.args.node = store_rig.store.node;
    store_rig.store.args.config = config;
}

void store_rig_close(void)
{
    assert_int_equal(store_rig.calls_count, 0);
    args_deinit(&store_rig.store.args);
}

/* ---- instead of store.c ---- */

/* Takes the command apart: "$LEN\r\nBYTES\r\n" each. */
static void add_call(enum script script, redis_reply_fn on_reply, void *data)
{
    const struct redis_command *cmd = &store_rig.store.args.cmd;
    struct store_rig_call *call = &store_rig.calls[store_rig.calls_count++];
    unsigned skipped = script == SCRIPTS_COUNT ? 0 : 3; /* EVALSHA, digest, count */
    char *at;

    assert_true(store_rig.calls_count <= STORE_RIG_MAX);
    *call =
        (struct store_rig_call){.script = script, .on_reply = on_reply, .data = data};
    call->bytes = at = xmemdup(cmd->args.data, cmd->args.len + 1);
    for (unsigned i = 0; i < cmd->argc; i++) {
        size_t len = strtoul(at + 1, &at, 10);

        at += 2;
        if (i == 2 && skipped > 0)
            call->keys = (unsigned)strtoul(at, NULL, 10);
        if (i >= skipped) {
            assert_true(call->argc < STORE_RIG_ARGS_MAX);
            call->argv[call->argc++] = at;
        }
        at += len;
        *at = '\0';
        at += 2;
    }
}

void store_send_script(struct store *store, enum script script, redis_reply_fn on_reply,
                       void *data)
{
    (void)store;
    add_call(script, on_reply, data);
}

void store_send_command(struct store *store, redis_reply_fn on_reply, void *data)
{
    (void)store;
    add_call(SCRIPTS_COUNT, on_reply, data);
}

void store_note_refusal(struct store *store, const struct room *room, int status,
                        const redisReply *reply)
{
    (void)store, (void)room, (void)reply;
    store_rig.refusals += status != 0;
}

void store_touched(struct store *store, const struct room *room, bool is_new)
{
    (void)store, (void)room, (void)is_new;
    store_rig.touched++;
}

/* As store.c, but for the number of users. */
void store_begin_reap(struct store *store, const char *room, size_t room_len,
                      const char *node)
{
    (void)store;
    scripts_begin(&store_rig.store.args.cmd, SCRIPT_REAP, 0);
    redis_command_add(&store_rig.store.args.cmd, room, room_len);
    redis_command_add_text(&store_rig.store.args.cmd, node);
}

/* ---- instead of redis_link.c ---- */

struct redis_link *store_link(const struct store *store)
{
    return store->link;
}

bool redis_link_is_ready(const struct redis_link *link)
{
    (void)link;
    return !store_rig.is_away;
}

int redis_link_send(struct redis_link *link, const struct redis_command *cmd,
                    redis_reply_fn on_reply, void *data)
{
    (void)link, (void)cmd, (void)on_reply, (void)data;
    return UV_ENOTCONN;
}

int redis_link_ask(struct redis_link *link, const struct redis_command *cmd,
                   redis_reply_fn on_reply, void *data)
{
    return redis_link_send(link, cmd, on_reply, data);
}

int redis_link_send_again(struct redis_link *link, const struct redis_command *cmd,
                          redis_reply_fn on_reply, void *data, uint64_t since_ms)
{
    (void)since_ms;
    return redis_link_send(link, cmd, on_reply, data);
}

uint64_t redis_link_now(const struct redis_link *link)
{
    (void)link;
    return 0;
}

/* ---- answers ---- */

static struct store_rig_call take_call(void)
{
    struct store_rig_call call = store_rig.calls[0];

    assert_true(store_rig.calls_count > 0);
    store_rig.calls_count--;
    memmove(store_rig.calls, store_rig.calls + 1, store_rig.calls_count * sizeof(call));
    return call;
}

void store_rig_put_off(void)
{
    struct store_rig_call call = take_call();

    store_rig.calls[store_rig.calls_count++] = call;
}

static void answer(int status, const char *resp, size_t len)
{
    struct store_rig_call call = take_call();
    redisReader *reader = redisReaderCreate();
    void *reply = NULL;

    if (resp) {
        assert_int_equal(redisReaderFeed(reader, resp, len), REDIS_OK);
        assert_int_equal(redisReaderGetReply(reader, &reply), REDIS_OK);
        assert_non_null(reply);
    }
    free(call.bytes);
    if (call.on_reply)
        call.on_reply(call.data, status, reply);
    freeReplyObject(reply);
    redisReaderFree(reader);
}

static bool is_number(const char *word)
{
    char *end;

    (void)strtoll(word, &end, 10);
    return *word && !*end && (*word == '-' || strlen(word) < 16); /* longer: an epoch */
}

static void add_word(struct strbuf *out, char *word)
{
    for (char *at = word; (at = strchr(at, '~'));)
        *at = ' ';
    if (strcmp(word, "nil") == 0)
        strbuf_add_text(out, "$-1\r\n");
    else if (*word == '\'')
        strbuf_add_format(out, "$%zu\r\n%.*s\r\n", strlen(word) - 2,
                          (int)strlen(word) - 2, word + 1);
    else if (is_number(word))
        strbuf_add_format(out, ":%s\r\n", word);
    else
        strbuf_add_format(out, "$%zu\r\n%s\r\n", strlen(word), word);
}

/* The array of the words up to the end, or to the parenthesis that closes it. */
static void add_array(struct strbuf *out, char **next)
{
    struct strbuf items = {NULL, 0, 0};
    unsigned count = 0;
    char *word;

    while ((word = strsep(next, " ")) && strcmp(word, ")") != 0) {
        if (!*word)
            continue;
        count++;
        if (strcmp(word, "(") == 0)
            add_array(&items, next);
        else
            add_word(&items, word);
    }
    strbuf_add_format(out, "*%u\r\n", count);
    strbuf_add(out, items.data, items.len);
    strbuf_deinit(&items);
}

void store_rig_answer(const char *words)
{
    struct strbuf resp = {NULL, 0, 0};
    char *copy, *next;

    if (!words) {
        answer(UV_ENOTCONN, NULL, 0);
        return;
    }
    next = copy = xmemdup(words, strlen(words) + 1);
    add_array(&resp, &next);
    answer(0, resp.data, resp.len);
    strbuf_deinit(&resp);
    free(copy);
}

void store_rig_answer_text(const char *text)
{
    struct strbuf resp = {NULL, 0, 0};

    strbuf_add_format(&resp, "$%zu\r\n%s\r\n", strlen(text), text);
    answer(0, resp.data, resp.len);
    strbuf_deinit(&resp);
}

void store_rig_answer_moving(void)
{
    answer(UV_EAGAIN, NULL, 0);
}

void store_rig_answer_nil(void)
{
    answer(0, "$-1\r\n", 5);
}

void store_rig_answer_number(unsigned number)
{
    char resp[32];

    answer(0, resp, (size_t)snprintf(resp, sizeof(resp), ":%u\r\n", number));
}

void store_rig_answer_error(const char *text)
{
    struct strbuf resp = {NULL, 0, 0};

    strbuf_add_format(&resp, "-%s\r\n", text);
    answer(UV_EREMOTEIO, resp.data, resp.len);
    strbuf_deinit(&resp);
}

void store_rig_assert_call(enum script script, unsigned first, const char *words)
{
    const struct store_rig_call *call = &store_rig.calls[0];
    struct strbuf got = {NULL, 0, 0};

    assert_true(store_rig.calls_count > 0);
    assert_int_equal(call->script, script);
    for (unsigned i = first; i < call->argc; i++) {
        if (i > first)
            strbuf_add_char(&got, ' ');
        strbuf_add_text(&got, call->argv[i]);
    }
    assert_string_equal(got.len > 0 ? got.data : "", words);
    strbuf_deinit(&got);
}
