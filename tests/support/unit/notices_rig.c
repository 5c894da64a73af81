/* notices_rig.c - see notices_rig.h. */
#include "tests/support/unit/notices_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/reply.h"

struct notices_rig notices_rig;

/* ---- in place of libuv ---- */

uint64_t uv_now(const uv_loop_t *loop)
{
    (void)loop;
    return notices_rig.now_ms;
}

int uv_timer_init(uv_loop_t *loop, uv_timer_t *timer)
{
    (void)loop;
    notices_rig.timer = timer;
    return 0;
}

int uv_timer_start(uv_timer_t *timer, uv_timer_cb on_timer, uint64_t first,
                   uint64_t then)
{
    assert_int_equal(first, then);
    assert_ptr_equal(timer, notices_rig.timer);
    notices_rig.on_timer = on_timer;
    return 0;
}

int uv_timer_stop(uv_timer_t *timer)
{
    (void)timer;
    notices_rig.on_timer = NULL;
    return 0;
}

int uv_is_active(const uv_handle_t *handle)
{
    (void)handle;
    return notices_rig.on_timer != NULL;
}

void uv_close(uv_handle_t *handle, uv_close_cb on_close)
{
    (void)handle;
    assert_null(on_close);
    notices_rig.on_timer = NULL;
}

/* ---- in place of the link ---- */

struct redis_link *redis_link_open(uv_loop_t *loop, const struct redis_link_opts *opts)
{
    (void)loop;
    assert_true(opts->for_notices);
    notices_rig.link = *opts;
    notices_rig.is_open = true;
    return (struct redis_link *)(void *)&notices_rig;
}

void redis_link_close(struct redis_link *link)
{
    assert_ptr_equal(link, &notices_rig);
    notices_rig.is_open = notices_rig.is_ready = false;
}

bool redis_link_is_ready(const struct redis_link *link)
{
    return link && notices_rig.is_ready;
}

int redis_link_send(struct redis_link *link, const struct redis_command *cmd,
                    redis_reply_fn on_reply, void *data)
{
    char *at = cmd->args.data;

    (void)data;
    assert_ptr_equal(link, &notices_rig);
    assert_null(on_reply);
    if (notices_rig.is_full || !notices_rig.is_ready)
        return UV_ENOBUFS;
    for (unsigned i = 0; i < cmd->argc; i++) {
        size_t len = strtoul(at + 1, &at, 10);

        strbuf_add(&notices_rig.sent, at + 2, len);
        strbuf_add_char(&notices_rig.sent, i + 1 < cmd->argc ? ' ' : '\n');
        at += 2 + len + 2;
    }
    return 0;
}

/* The connection is lost at once, as with the real one. */
void redis_link_restart(struct redis_link *link, const char *why)
{
    assert_ptr_equal(link, &notices_rig);
    notices_rig.restarts++;
    notices_rig.is_ready = false;
    notices_rig.link.on_lost(notices_rig.link.owner, why);
}

void redis_link_hurry(struct redis_link *link)
{
    (void)link;
}

/* ---- for the tests ---- */

void notices_rig_open(void)
{
    memset(&notices_rig, 0, sizeof(notices_rig));
    notices_rig.now_ms = 1000000;
}

void notices_rig_close(void)
{
    notices_rig_forget_sent();
}

void notices_rig_connect(void)
{
    notices_rig.is_ready = true;
    notices_rig.link.on_ready(notices_rig.link.owner);
}

void notices_rig_cut(void)
{
    notices_rig.is_ready = false;
    notices_rig.link.on_lost(notices_rig.link.owner, "cut");
}

void notices_rig_pass_ms(uint64_t ms)
{
    notices_rig.now_ms += ms;
    if (notices_rig.on_timer)
        notices_rig.on_timer(notices_rig.timer);
}

void notices_rig_assert_sent(const char *lines)
{
    assert_string_equal(notices_rig.sent.len > 0 ? notices_rig.sent.data : "", lines);
    notices_rig_forget_sent();
}

void notices_rig_forget_sent(void)
{
    strbuf_deinit(&notices_rig.sent);
}

void notices_rig_take(const char *resp, size_t len)
{
    redisReader *reader = redisReaderCreate();
    void *reply = NULL;

    assert_int_equal(redisReaderFeed(reader, resp, len), REDIS_OK);
    assert_int_equal(redisReaderGetReply(reader, &reply), REDIS_OK);
    notices_rig.link.on_push(notices_rig.link.owner, reply);
    freeReplyObject(reply);
    redisReaderFree(reader);
}

void notices_rig_push(const char *first, const char *second, const char *third,
                      const char *fourth)
{
    const char *const words[] = {first, second, third, fourth};
    struct strbuf resp = {NULL, 0, 0};
    int count = fourth ? 4 : 3;

    strbuf_add_format(&resp, "*%d\r\n", count);
    for (int i = 0; i < count; i++)
        strbuf_add_format(&resp, "$%zu\r\n%s\r\n", strlen(words[i]), words[i]);
    notices_rig_take(resp.data, resp.len);
    strbuf_deinit(&resp);
}

void notices_rig_confirm(const char *what)
{
    notices_rig_push(what, "channel", "1", NULL);
}

void notices_rig_refuse(void)
{
    notices_rig_take("-NOPERM no\r\n", 12);
}
