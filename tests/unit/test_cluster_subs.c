/* test_feed_masters.c - subscriptions at the masters of a Redis Cluster: confirmed by channel, refused at
 * the fence, ended by a master that gives the slot away. The test is the masters and the clock.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/cluster_subs.h"
#include "common/log.h"
#include "tests/support/unit/read_reply.h"

enum { SUBS = 4 };

static struct {
    struct cluster_subs masters;
    struct config config;
    struct metrics metrics;
    uint64_t now_ms;
    struct redis_link_opts link;
    bool is_ready, is_open;
    unsigned restarts;
    struct strbuf sent; /* commands, a line each */
    struct cluster_sub subs[SUBS];
    char told[512];
} w;

static const char *const channels[SUBS] = {"rc:{a}:events", "rc:{b}:events",
                                           "rc:{c}:events", "rc:canary:{10}:n"};

static void tell(const char *format, ...)
{
    size_t len = strlen(w.told);
    va_list args;

    va_start(args, format);
    vsnprintf(w.told + len, sizeof(w.told) - len, format, args);
    va_end(args);
}

/* ---- in place of libuv and the link ---- */

uint64_t uv_now(const uv_loop_t *loop)
{
    (void)loop;
    return w.now_ms;
}

struct redis_link *redis_link_open(uv_loop_t *loop, const struct redis_link_opts *opts)
{
    (void)loop;
    assert_true(opts->for_notices);
    w.link = *opts;
    w.is_open = true;
    return (struct redis_link *)(void *)&w;
}

void redis_link_close(struct redis_link *link)
{
    assert_ptr_equal(link, &w);
    w.is_open = w.is_ready = false;
}

bool redis_link_is_ready(const struct redis_link *link)
{
    return link && w.is_ready;
}

int redis_link_send(struct redis_link *link, const struct redis_command *cmd,
                    redis_reply_fn on_reply, void *data)
{
    const char *at = cmd->args.data;

    assert_ptr_equal(link, &w);
    assert_null(on_reply);
    assert_null(data);
    for (unsigned i = 0; i < cmd->argc; i++) {
        at = strstr(at, "\r\n") + 2;
        strbuf_add(&w.sent, at, strcspn(at, "\r"));
        strbuf_add_text(&w.sent, i + 1 < cmd->argc ? " " : "\n");
        at = strstr(at, "\r\n") + 2;
    }
    return w.is_ready ? 0 : UV_ENOTCONN;
}

void redis_link_restart(struct redis_link *link, const char *why)
{
    (void)link, (void)why;
    w.restarts++;
    w.is_ready = false;
    w.link.on_lost(w.link.owner, why);
}

/* ---- what it tells ---- */

static void on_ready(struct cluster_subs_link *master)
{
    tell("ready %u, ", master->number);
}

static void on_lost(struct cluster_subs_link *master, const char *why)
{
    (void)why;
    tell("lost %u, ", master->number);
}

static struct cluster_sub *find(struct cluster_subs *masters, struct json_text channel)
{
    assert_ptr_equal(masters, &w.masters);
    for (unsigned i = 0; i < SUBS; i++)
        if (channel.len == strlen(channels[i]) &&
            memcmp(channel.base, channels[i], channel.len) == 0)
            return &w.subs[i];
    return NULL;
}

static void on_fence(void *owner, struct cluster_sub *sub, bool is_subscribed)
{
    assert_ptr_equal(owner, &w);
    tell("%d %s, ", (int)(sub - w.subs), is_subscribed ? "in" : "refused");
}

static void on_ended(struct cluster_subs *masters, struct json_text channel)
{
    tell("%d ended, ", (int)(find(masters, channel) - w.subs));
}

static void on_message(struct cluster_subs *masters, struct json_text channel,
                       struct json_text text)
{
    (void)masters;
    tell("%.*s: %.*s, ", (int)channel.len, channel.base, (int)text.len, text.base);
}

static void on_moved(struct cluster_subs *masters, unsigned slot,
                     const struct cluster_host *owner)
{
    (void)masters;
    tell("%u at %s:%u, ", slot, owner->host, owner->port);
}

static void on_expired(struct cluster_subs *masters, const char *room, size_t len)
{
    (void)masters;
    tell("%.*s expired, ", (int)len, room);
}

static void on_opened(struct cluster_subs *masters)
{
    assert_ptr_equal(masters, &w.masters);
}

static const struct cluster_subs_hooks hooks = {
    .on_ready = on_ready,
    .on_lost = on_lost,
    .find = find,
    .on_fence = on_fence,
    .on_ended = on_ended,
    .on_message = on_message,
    .on_moved = on_moved,
    .on_expired = on_expired,
    .on_opened = on_opened,
};

/* ---- the rig ---- */

static struct cluster_subs_link *master(void)
{
    const struct cluster_host at = {.host = "127.0.0.1", .port = 7000};

    return cluster_subs_use(&w.masters, &at);
}

static void become_ready(void)
{
    w.is_ready = true;
    w.link.on_ready(w.link.owner);
}

static int set_up(void **state)
{
    static struct redis_url url;
    const struct cluster_subs_opts opts = {
        .config = &w.config, .metrics = &w.metrics, .name = "notices", .hooks = &hooks};

    (void)state;
    memset(&w, 0, sizeof(w));
    log_max = LOG_SILENT;
    w.now_ms = 100000;
    w.config.redis = (struct redis_urls){.urls = &url, .count = 1};
    read_reply_open();
    cluster_subs_init(&w.masters, &opts);
    w.masters.ticked_ms = w.now_ms;
    master();
    become_ready();
    w.told[0] = '\0';
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    cluster_subs_close(&w.masters);
    cluster_subs_deinit(&w.masters);
    strbuf_deinit(&w.sent);
    read_reply_close();
    return 0;
}

static void subscribe(unsigned i)
{
    cluster_subs_link_subscribe(master(), channels[i], &w.subs[i], &w);
}

/* What was sent since the last look. */
static const char *sent(void)
{
    static char text[1024];

    snprintf(text, sizeof(text), "%.*s", (int)w.sent.len,
             w.sent.data ? w.sent.data : "");
    w.sent.len = 0;
    return text;
}

static void push(const char *bytes)
{
    w.link.on_push(w.link.owner, read_reply(bytes));
}

static void push_about(const char *what, unsigned i)
{
    char bytes[128];

    snprintf(bytes, sizeof(bytes), "*3\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n:1\r\n",
             strlen(what), what, strlen(channels[i]), channels[i]);
    push(bytes);
}

static void pong(const char *number)
{
    char bytes[64];

    snprintf(bytes, sizeof(bytes), "*2\r\n$4\r\npong\r\n$%zu\r\n%s\r\n", strlen(number),
             number);
    push(bytes);
}

static void is_subscribed(unsigned i)
{
    subscribe(i);
    cluster_subs_flush(&w.masters);
    push_about("ssubscribe", i);
    for (uint64_t n = 1; n <= master()->fence; n++) {
        char number[8];

        snprintf(number, sizeof(number), "%u", (unsigned)n);
        pong(number);
    }
    sent();
    w.told[0] = '\0';
}

/* ---- the tests ---- */

static void those_of_a_turn_share_a_fence(void **state)
{
    (void)state;
    subscribe(0), subscribe(1);
    cluster_subs_flush(&w.masters);
    assert_string_equal(sent(),
                        "SSUBSCRIBE rc:{a}:events\nSSUBSCRIBE rc:{b}:events\nPING 1\n");
    push_about("ssubscribe", 0), push_about("ssubscribe", 1);
    assert_string_equal(w.told, "");
    pong("1");
    assert_string_equal(w.told, "0 in, 1 in, ");
    cluster_subs_flush(&w.masters);
    assert_string_equal(sent(), "");
}

static void what_is_not_confirmed_at_the_fence_was_refused(void **state)
{
    (void)state;
    subscribe(0), subscribe(1);
    cluster_subs_flush(&w.masters);
    push("-MOVED 15495 10.0.0.9:7001\r\n");
    push_about("ssubscribe", 1);
    pong("1");
    assert_string_equal(w.told, "15495 at 10.0.0.9:7001, 0 refused, 1 in, ");
    assert_int_equal(w.subs[0].master, 0);
    assert_int_equal(w.subs[1].master, 1);
}

/* The pong comes as a plain text while nothing is subscribed. */
static void a_fence_comes_back_also_where_all_was_refused(void **state)
{
    (void)state;
    subscribe(0);
    cluster_subs_flush(&w.masters);
    push("-CLUSTERDOWN Hash slot not served\r\n");
    push("$1\r\n1\r\n");
    assert_string_equal(w.told, "0 refused, ");
}

static void a_slot_given_away_between_confirmation_and_fence_is_refused(void **state)
{
    (void)state;
    subscribe(0), subscribe(1);
    cluster_subs_flush(&w.masters);
    push_about("ssubscribe", 0);
    push_about("sunsubscribe", 0);
    push_about("ssubscribe", 1);
    pong("1");
    assert_string_equal(w.told, "0 refused, 1 in, ");
}

/* T9 */
static void an_end_among_confirmations_of_others_is_nobody_elses(void **state)
{
    (void)state;
    is_subscribed(0);
    subscribe(1), subscribe(2);
    cluster_subs_flush(&w.masters);
    push_about("ssubscribe", 1);
    push_about("sunsubscribe", 0);
    push_about("ssubscribe", 2);
    pong("2");
    assert_string_equal(w.told, "0 ended, 1 in, 2 in, ");
    assert_int_equal(w.subs[0].master, 0);
}

static void what_is_given_up_ends_without_a_word(void **state)
{
    (void)state;
    is_subscribed(0);
    cluster_subs_place(&w.masters, &w.subs[0], 0);
    cluster_subs_link_unsubscribe(master(), channels[0]);
    assert_string_equal(sent(), "SUNSUBSCRIBE rc:{a}:events\n");
    push_about("sunsubscribe", 0);
    assert_string_equal(w.told, "");
}

/* The slot had gone meanwhile: Redis answers twice. */
static void a_late_answer_to_giving_up_is_not_taken_for_the_next_one(void **state)
{
    (void)state;
    is_subscribed(0);
    cluster_subs_place(&w.masters, &w.subs[0], 0);
    cluster_subs_link_unsubscribe(master(), channels[0]);
    subscribe(0);
    cluster_subs_flush(&w.masters);
    push_about("sunsubscribe", 0);
    push("-MOVED 15495 10.0.0.9:7001\r\n");
    push_about("ssubscribe", 0);
    pong("2");
    assert_string_equal(w.told, "15495 at 10.0.0.9:7001, 0 in, ");
}

static void with_the_link_all_is_lost(void **state)
{
    (void)state;
    is_subscribed(0);
    subscribe(1);
    redis_link_restart((struct redis_link *)(void *)&w, "why");
    assert_string_equal(w.told, "1 refused, lost 1, ");
    assert_int_equal(w.subs[1].master, 0);
}

static void a_master_that_does_not_answer_is_connected_to_again(void **state)
{
    (void)state;
    w.now_ms += 1000;
    cluster_subs_tick(&w.masters, w.now_ms);
    assert_string_equal(sent(), "PING 1\n");
    w.now_ms += 1000;
    cluster_subs_tick(&w.masters, w.now_ms);
    w.now_ms += 999;
    cluster_subs_tick(&w.masters, w.now_ms);
    assert_int_equal(w.restarts, 0);
    w.now_ms += 1;
    cluster_subs_tick(&w.masters, w.now_ms);
    assert_int_equal(w.restarts, 1);
}

/* What came meanwhile is read only then. */
static void after_a_standstill_a_link_has_time_to_answer(void **state)
{
    (void)state;
    w.now_ms += 1000;
    cluster_subs_tick(&w.masters, w.now_ms);
    w.now_ms += 8000;
    cluster_subs_tick(&w.masters, w.now_ms);
    assert_int_equal(w.restarts, 0);
    for (int i = 0; i < 3; i++) {
        w.now_ms += 1000;
        cluster_subs_tick(&w.masters, w.now_ms);
    }
    assert_int_equal(w.restarts, 1);
}

static void one_that_is_not_needed_for_a_minute_is_closed(void **state)
{
    (void)state;
    is_subscribed(0);
    for (int i = 0; i < 100; i++) {
        w.now_ms += 1000;
        cluster_subs_tick(&w.masters, w.now_ms);
        push("$1\r\n0\r\n");
    }
    assert_true(w.is_open);
    cluster_subs_place(&w.masters, &w.subs[0], 0);
    for (int i = 0; i < 60; i++) {
        w.now_ms += 1000;
        cluster_subs_tick(&w.masters, w.now_ms);
        if (w.is_open)
            push("$1\r\n0\r\n");
    }
    assert_false(w.is_open);
    assert_int_equal(metric_read(&w.metrics.redis_links), 0);
    master();
    assert_true(w.is_open);
}

static void notices_and_expiries_are_handed_on(void **state)
{
    (void)state;
    is_subscribed(0);
    push("*3\r\n$8\r\nsmessage\r\n$13\r\nrc:{a}:events\r\n$5\r\nhello\r\n");
    push("*4\r\n$8\r\npmessage\r\n$25\r\n__keyspace@0__:rc:{*}:met\r\n"
         "$26\r\n__keyspace@0__:rc:{a}:meta\r\n$7\r\nexpired\r\n");
    assert_string_equal(w.told, "rc:{a}:events: hello, a expired, ");
}

static void what_is_no_push_is_dropped(void **state)
{
    static const char *const pushes[] = {"*0\r\n",
                                         ":1\r\n",
                                         "$-1\r\n",
                                         "*1\r\n$10\r\nssubscribe\r\n",
                                         "*3\r\n$5\r\nwrong\r\n$1\r\na\r\n:1\r\n",
                                         "*2\r\n$4\r\npong\r\n$1\r\nx\r\n",
                                         "-MOVED nowhere\r\n",
                                         "*3\r\n$10\r\nssubscribe\r\n:7\r\n:1\r\n"};

    (void)state;
    subscribe(0);
    cluster_subs_flush(&w.masters);
    for (size_t i = 0; i < sizeof(pushes) / sizeof(pushes[0]); i++)
        push(pushes[i]);
    assert_string_equal(w.told, "");
    push_about("ssubscribe", 0);
    pong("1");
    assert_string_equal(w.told, "0 in, ");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(those_of_a_turn_share_a_fence),
        TEST(what_is_not_confirmed_at_the_fence_was_refused),
        TEST(a_fence_comes_back_also_where_all_was_refused),
        TEST(a_slot_given_away_between_confirmation_and_fence_is_refused),
        TEST(an_end_among_confirmations_of_others_is_nobody_elses),
        TEST(what_is_given_up_ends_without_a_word),
        TEST(a_late_answer_to_giving_up_is_not_taken_for_the_next_one),
        TEST(with_the_link_all_is_lost),
        TEST(a_master_that_does_not_answer_is_connected_to_again),
        TEST(after_a_standstill_a_link_has_time_to_answer),
        TEST(one_that_is_not_needed_for_a_minute_is_closed),
        TEST(notices_and_expiries_are_handed_on),
        TEST(what_is_no_push_is_dropped),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
