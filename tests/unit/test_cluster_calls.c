/* test_cluster_calls.c - calls to a Redis Cluster: whose turn it is, where they go, and how long they wait.
 * The clock and the masters are the test's: what is sent to one is written down, and answered when the
 * test says so.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/cluster.h"
#include "common/cluster_error.h"
#include "common/log.h"
#include "common/redis_errors.h"
#include "tests/support/unit/read_reply.h"

enum { SLOT = 100, OTHER_SLOT = 9000, DEADLINE_MS = 2000, SENT_MAX = 64 };

struct sent {
    const struct redis_link *link;
    char words[64];
    redis_reply_fn on_reply;
    void *data;
};

static struct {
    struct cluster cluster;
    struct cluster_maps maps;
    struct cluster_master *a, *b;
    uv_timer_cb on_again;
    bool is_ticking;
    unsigned links_opened;
    struct sent sent[SENT_MAX];
    unsigned sent_count;
    unsigned moved, halfway, owners, masters, held;
    struct cluster_turn turn;
    struct metrics metrics;
    struct config config;
    uint64_t now_ms;
    char answers[256]; /* what callers were told, a word each */
} w;

/* ---- in place of libuv and the links ---- */

uint64_t uv_now(const uv_loop_t *loop)
{
    (void)loop;
    return w.now_ms;
}

int uv_timer_init(uv_loop_t *loop, uv_timer_t *timer)
{
    (void)loop, (void)timer;
    return 0;
}

int uv_timer_start(uv_timer_t *timer, uv_timer_cb cb, uint64_t first, uint64_t then)
{
    (void)timer;
    assert_int_equal(first, then);
    w.on_again = cb;
    w.is_ticking = true;
    return 0;
}

int uv_timer_stop(uv_timer_t *timer)
{
    (void)timer;
    w.is_ticking = false;
    return 0;
}

int uv_is_active(const uv_handle_t *handle)
{
    (void)handle;
    return w.is_ticking;
}

void uv_close(uv_handle_t *handle, uv_close_cb on_close)
{
    (void)handle, (void)on_close;
    w.is_ticking = false;
}

/* A link is a number that nobody looks into; those that were opened first are ready. */
static bool is_down[8];

struct redis_link *redis_link_open(uv_loop_t *loop, const struct redis_link_opts *opts)
{
    (void)loop, (void)opts;
    return (struct redis_link *)(void *)&is_down[w.links_opened++];
}

void redis_link_close(struct redis_link *link)
{
    *(bool *)(void *)link = true;
}

bool redis_link_is_ready(const struct redis_link *link)
{
    return link && !*(const bool *)(const void *)link;
}

void redis_link_replace(struct redis_link *link, const char *why)
{
    (void)link, (void)why;
}

enum redis_why redis_link_why(const struct redis_link *link)
{
    (void)link;
    return REDIS_WHY_NOT_KNOWN;
}

int redis_link_send(struct redis_link *link, const struct redis_command *cmd,
                    redis_reply_fn on_reply, void *data)
{
    struct sent *sent = &w.sent[w.sent_count];
    const char *at = strstr(cmd->args.data, "\r\n") + 2;

    if (!redis_link_is_ready(link))
        return UV_ENOTCONN;
    assert_true(w.sent_count < SENT_MAX);
    *sent = (struct sent){.link = link, .on_reply = on_reply, .data = data};
    snprintf(sent->words, sizeof(sent->words), "%.*s", (int)strcspn(at, "\r"), at);
    w.sent_count++;
    return 0;
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
    return w.now_ms;
}

bool redis_link_take_loose(struct redis_link *link)
{
    (void)link;
    return false;
}

/* ---- the rig ---- */

static void on_owner(struct cluster *cluster, unsigned slot)
{
    (void)cluster, (void)slot;
    w.owners++;
}

static void on_master(struct cluster *cluster, struct cluster_master *master,
                      bool is_ready)
{
    (void)cluster, (void)master, (void)is_ready;
    w.masters++;
}

static void on_moved(struct cluster *cluster, struct cluster_turn *turn)
{
    (void)cluster;
    assert_non_null(turn);
    w.moved++;
}

static void on_halfway(struct cluster *cluster, struct cluster_turn *turn)
{
    (void)cluster;
    assert_non_null(turn);
    w.halfway++;
}

static void hold(struct cluster_turn *turn)
{
    (void)turn;
    w.held++;
}

static void release(struct cluster_turn *turn)
{
    (void)turn;
    w.held--;
}

static void on_opened(struct cluster *cluster)
{
    (void)cluster;
}

static struct cluster_master *master_at(uint16_t port)
{
    struct cluster_host host = {.host = "127.0.0.1", .port = port};

    return cluster_masters_get(&w.cluster.masters, &host);
}

static int set_up(void **state)
{
    static struct redis_host first = {(char *)"127.0.0.1", (char *)"1"};
    static struct redis_url url = {
        .form = REDIS_CLUSTER, .hosts = &first, .hosts_count = 1};
    static const struct cluster_hooks hooks = {
        .on_master = on_master,
        .on_owner = on_owner,
        .on_moved = on_moved,
        .on_halfway = on_halfway,
        .hold = hold,
        .release = release,
        .on_opened = on_opened,
    };
    struct cluster_opts opts = {
        .config = &w.config,
        .metrics = &w.metrics,
        .maps = &w.maps,
        .name = "commands",
        .hooks = &hooks,
    };

    (void)state;
    memset(&w, 0, sizeof(w));
    memset(is_down, 0, sizeof(is_down));
    log_max = LOG_SILENT;
    w.now_ms = 1000000;
    w.config.redis_deadline_ms = DEADLINE_MS;
    w.config.redis = (struct redis_urls){.urls = &url, .count = 1};
    list_init(&w.turn.calls);
    cluster_maps_init(&w.maps);
    cluster_open(&w.cluster, &opts);
    w.a = master_at(1);
    w.b = master_at(2);
    cluster_masters_set_owner(&w.cluster.masters, SLOT, w.a);
    cluster_masters_set_owner(&w.cluster.masters, OTHER_SLOT, w.b);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    cluster_close(&w.cluster);
    cluster_deinit(&w.cluster);
    cluster_maps_deinit(&w.maps);
    assert_int_equal(w.held, 0);
    return 0;
}

static void on_reply(void *data, int status, const redisReply *reply)
{
    size_t len = strlen(w.answers);

    (void)reply;
    snprintf(w.answers + len, sizeof(w.answers) - len, "%s:%s ", (const char *)data,
             status == 0              ? "ok"
             : status == UV_ENOTCONN  ? "not done"
             : status == UV_EAGAIN    ? "on its way"
             : status == UV_EREMOTEIO ? "refused"
                                      : "gone");
}

static void call_since(struct cluster_turn *turn, const char *name, bool waits,
                       uint64_t since_ms)
{
    const struct cluster_target target = {
        .slot = SLOT, .turn = turn, .waits_for_turn = waits, .since_ms = since_ms};
    struct redis_command cmd = {{0}, 0};

    redis_command_begin(&cmd);
    redis_command_add_text(&cmd, name);
    cluster_send(&w.cluster, &target, &cmd, SCRIPTS_COUNT, on_reply, (void *)name);
    redis_command_deinit(&cmd);
}

static void call(struct cluster_turn *turn, const char *name, bool waits)
{
    call_since(turn, name, waits, 0);
}

/* Answers what was sent first: an error of this text, or NULL: done. */
static void answer(const char *error)
{
    struct sent first = w.sent[0];
    char text[128];

    assert_true(w.sent_count > 0);
    memmove(w.sent, w.sent + 1, --w.sent_count * sizeof(w.sent[0]));
    snprintf(text, sizeof(text), error ? "-%s\r\n" : "+OK\r\n", error);
    first.on_reply(first.data, error ? UV_EREMOTEIO : 0, read_reply(text));
}

static void pass(uint64_t ms)
{
    for (uint64_t i = 0; i < ms / 20; i++) {
        w.now_ms += 20;
        if (w.is_ticking)
            w.on_again(&w.cluster.again);
    }
}

/* What was sent and is not answered: words, and to whom. */
static const char *sent(void)
{
    static char text[512];

    text[0] = '\0';
    for (unsigned i = 0; i < w.sent_count; i++) {
        size_t len = strlen(text);

        snprintf(text + len, sizeof(text) - len, "%s%s>%c", i > 0 ? " " : "",
                 w.sent[i].words, w.sent[i].link == w.a->redis ? 'a' : 'b');
    }
    return text;
}

/* ---- the tests ---- */

static void a_call_goes_to_the_master_of_its_slot(void **state)
{
    (void)state;
    call(NULL, "x", false);
    assert_string_equal(sent(), "x>a");
    answer(NULL);
    assert_string_equal(w.answers, "x:ok ");
}

static void of_the_calls_that_change_a_room_one_is_in_flight(void **state)
{
    struct cluster_turn *room = &w.turn;

    (void)state;
    call(room, "join", true);
    call(room, "publish", true);
    call(room, "read", false);
    call(NULL, "other", true);
    assert_string_equal(sent(), "join>a read>a other>a");
    answer(NULL);
    assert_string_equal(sent(), "read>a other>a publish>a");
    answer(NULL), answer(NULL), answer(NULL);
    assert_string_equal(w.answers, "join:ok read:ok other:ok publish:ok ");
}

static void a_call_follows_a_slot_that_has_moved(void **state)
{
    struct cluster_turn *room = &w.turn;

    (void)state;
    call(room, "x", true);
    answer("MOVED 100 127.0.0.1:2");
    assert_string_equal(sent(), "x>b");
    assert_ptr_equal(cluster_owner(&w.cluster, SLOT), w.b);
    assert_int_equal(w.moved, 1);
    answer(NULL);
    assert_string_equal(w.answers, "x:ok ");
    assert_int_equal(metric_read(&w.metrics.redis_redirects_total[CLUSTER_MOVED]), 1);
}

static void masters_that_point_at_each_other_are_asked_with_pauses(void **state)
{
    (void)state;
    call(NULL, "x", false);
    for (int i = 0; i < 3; i++)
        answer(i % 2 ? "MOVED 100 127.0.0.1:1" : "MOVED 100 127.0.0.1:2");
    assert_int_equal(w.sent_count, 1);
    answer("MOVED 100 127.0.0.1:1");
    assert_int_equal(w.sent_count, 0);
    pass(20);
    assert_int_equal(w.sent_count, 1);
    answer(NULL);
}

static void a_moved_that_names_nobody_is_waited_out(void **state)
{
    static const char *const texts[] = {"MOVED 100", "MOVED x 127.0.0.1:2",
                                        "MOVED 99999 127.0.0.1:2", "MOVED 100 a:b:c"};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        (void)state;
        call(NULL, "x", false);
        answer(texts[i]);
        assert_ptr_equal(cluster_owner(&w.cluster, SLOT), w.a);
        assert_int_equal(w.sent_count, 0);
        pass(DEADLINE_MS);
        while (w.sent_count > 0)
            answer(NULL);
    }
}

static void in_an_open_slot_a_call_waits_longer_and_longer(void **state)
{
    struct cluster_turn *room = &w.turn;
    static const uint64_t pauses_ms[] = {20, 40, 80, 160, 200, 200};

    (void)state;
    call(room, "x", true);
    call(room, "y", true);
    for (size_t i = 0; i < sizeof(pauses_ms) / sizeof(pauses_ms[0]); i++) {
        answer(i % 2 ? "ASK 100 127.0.0.1:2" : "TRYAGAIN Multiple keys request");
        assert_int_equal(metric_read(&w.metrics.redis_rooms_waiting), 1);
        pass(pauses_ms[i] - 20);
        assert_string_equal(sent(), "");
        pass(20);
        assert_string_equal(sent(), "x>a");
    }
    answer(NULL);
    assert_int_equal(metric_read(&w.metrics.redis_rooms_waiting), 0);
    assert_string_equal(sent(), "y>a");
    answer(NULL);
    assert_string_equal(w.answers, "x:ok y:ok ");
}

static void at_its_deadline_it_was_not_done(void **state)
{
    struct cluster_turn *room = &w.turn;

    (void)state;
    call(room, "x", true);
    call(room, "y", true);
    call_since(room, "old", true, w.now_ms - DEADLINE_MS + 500);
    for (int i = 0; i < 200; i++) {
        if (w.sent_count > 0)
            answer("TRYAGAIN");
        pass(20);
        if (i == 26)
            assert_string_equal(w.answers, "old:not done ");
    }
    assert_string_equal(w.answers, "old:not done y:not done x:on its way ");
    assert_false(w.is_ticking);
    assert_int_equal(metric_read(&w.metrics.redis_rooms_waiting), 0);
}

static void a_cluster_that_is_down_is_asked_again(void **state)
{
    static const char *const texts[] = {
        "CLUSTERDOWN The cluster is down", "MASTERDOWN Link with MASTER is down",
        "LOADING Redis is loading", "READONLY You can't"};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        call(NULL, "x", false);
        answer(texts[i]);
        assert_true(w.cluster.wants_map);
        pass(80);
        assert_int_equal(w.sent_count, 0);
        pass(20);
        answer(NULL);
        w.cluster.wants_map = false;
    }
}

/* One that has lost its majority would go on telling who had the slots before. */
static void a_master_that_serves_nobody_is_not_asked_for_the_map(void **state)
{
    (void)state;
    cluster_master_use(w.a);
    cluster_master_use(w.b);
    call(NULL, "x", false);
    answer("CLUSTERDOWN The cluster is down");
    cluster_tick(&w.cluster, w.now_ms);
    assert_string_equal(sent(), "CLUSTER>b");
    is_down[1] = true;
    answer("ERR");
    w.now_ms += CLUSTER_MAPS_PAUSE_MS;
    cluster_tick(&w.cluster, w.now_ms);
    assert_string_equal(sent(), "CLUSTER>a"); /* else nobody is left */
    answer("ERR");
    is_down[1] = false;
    pass(200);
    assert_string_equal(sent(), "x>a");
    answer(NULL);
    w.now_ms += CLUSTER_MAPS_PAUSE_MS;
    cluster_tick(&w.cluster, w.now_ms);
    assert_string_equal(sent(), "CLUSTER>a"); /* it serves again */
    answer("ERR");
}

static uint64_t unserved_after(uint64_t ms)
{
    w.now_ms += ms;
    cluster_tick(&w.cluster, w.now_ms);
    while (w.sent_count > 0)
        answer("ERR"); /* the map is not read: it would name the failed one as well */
    return metric_read(&w.metrics.redis_slots_unserved);
}

/* A restart or a failover is over before. */
static void slots_of_a_master_that_stays_away_are_unserved(void **state)
{
    (void)state;
    cluster_masters_set_owner(&w.cluster.masters, OTHER_SLOT + 1, w.b);
    cluster_master_use(w.b);
    assert_int_equal(unserved_after(CLUSTER_AWAY_MS), 0);
    is_down[1] = true; /* of b, which was opened second */
    assert_int_equal(unserved_after(100), 0);
    assert_int_equal(unserved_after(CLUSTER_AWAY_MS - 1), 0);
    assert_int_equal(unserved_after(1), 2);
    is_down[1] = false;
    assert_int_equal(unserved_after(100), 0);
    is_down[1] = true; /* it counts from now on */
    assert_int_equal(unserved_after(CLUSTER_AWAY_MS - 1), 0);
    assert_int_equal(unserved_after(CLUSTER_AWAY_MS), 2);
    cluster_masters_set_owner(&w.cluster.masters, OTHER_SLOT, w.a); /* taken over */
    assert_int_equal(unserved_after(100), 1);
}

/* Its link was closed since nobody wants anything of it. */
static void slots_of_a_master_that_is_not_used_are_served(void **state)
{
    (void)state;
    cluster_master_use(w.b);
    is_down[1] = true;
    unserved_after(100);
    assert_int_equal(unserved_after(CLUSTER_IDLE_MS), 1);
    assert_int_equal(unserved_after(100), 0);
}

static void a_slot_without_an_owner_waits_for_the_map(void **state)
{
    (void)state;
    cluster_masters_set_owner(&w.cluster.masters, SLOT, NULL);
    call(NULL, "x", false);
    assert_string_equal(sent(), "");
    assert_true(w.cluster.wants_map);
    cluster_masters_set_owner(&w.cluster.masters, SLOT, w.b);
    pass(40);
    assert_string_equal(sent(), "x>b");
    answer(NULL);
}

static void a_link_that_is_not_ready_is_waited_for(void **state)
{
    (void)state;
    call(NULL, "x", false);
    answer(NULL);
    is_down[0] = true; /* of the one that was opened first */
    call(NULL, "y", false);
    assert_string_equal(sent(), "");
    is_down[0] = false;
    cluster_calls_go_on(&w.cluster);
    pass(20);
    assert_string_equal(sent(), "y>a");
    answer(NULL);
}

static void a_script_that_broke_off_puts_its_room_in_doubt(void **state)
{
    struct cluster_turn *room = &w.turn;

    (void)state;
    call(room, "x", true);
    answer("ERR Error running script: Script attempted to access a non local key in a "
           "cluster node");
    assert_string_equal(w.answers, "x:refused ");
    assert_int_equal(w.halfway, 1);
    assert_int_equal(metric_read(&w.metrics.redis_errors_total[REDIS_HALFWAY]), 1);
}

static void another_refusal_is_the_callers(void **state)
{
    (void)state;
    call(NULL, "x", false);
    answer("OOM command not allowed");
    assert_string_equal(w.answers, "x:refused ");
}

static void a_signal_waits_for_nothing(void **state)
{
    struct cluster_target target = {.slot = SLOT, .turn = &w.turn, .is_signal = true};
    struct redis_command cmd = {{0}, 0};

    (void)state;
    redis_command_begin(&cmd);
    redis_command_add_text(&cmd, "signal");
    cluster_send(&w.cluster, &target, &cmd, SCRIPTS_COUNT, on_reply, (void *)"signal");
    answer("TRYAGAIN");
    assert_string_equal(w.answers, "signal:not done ");
    redis_command_deinit(&cmd);
}

static void what_was_meant_under_another_name_is_not_sent_any_more(void **state)
{
    struct cluster_turn *room = &w.turn;

    (void)state;
    call(room, "x", true);
    call(room, "y", true);
    cluster_fail_unsent(&w.cluster, 0);
    assert_string_equal(w.answers, ""); /* not from inside */
    answer("TRYAGAIN");
    pass(20);
    assert_string_equal(w.answers, "x:not done y:not done ");
    assert_string_equal(sent(), "");
}

static void at_the_end_what_waits_is_answered(void **state)
{
    (void)state;
    call(NULL, "x", false);
    answer("TRYAGAIN");
    cluster_close(&w.cluster);
    assert_string_equal(w.answers, "x:gone ");
}

static int open_replies(void **state)
{
    (void)state;
    read_reply_open();
    return 0;
}

static int close_replies(void **state)
{
    (void)state;
    read_reply_close();
    return 0;
}

static void what_was_sent_may_run_until_the_links_are_replaced(void **state)
{
    (void)state;
    assert_false(cluster_may_run(&w.cluster, 0));
    call(&w.turn, "read", false);
    call(NULL, "heartbeat", true);
    assert_false(cluster_may_run(&w.cluster, 0));
    call(&w.turn, "join", true);
    assert_true(cluster_may_run(&w.cluster, 0));
    assert_false(cluster_may_run(&w.cluster, 1));
    answer(NULL), answer(NULL), answer(NULL);
    assert_true(cluster_may_run(&w.cluster, 0)); /* of another one nobody knows */
    cluster_replace_links(&w.cluster, "a standstill");
    assert_false(cluster_may_run(&w.cluster, 0));
    *(bool *)(void *)w.a->redis = true;
    call(&w.turn, "waits", true);
    assert_false(cluster_may_run(&w.cluster, 0));
    *(bool *)(void *)w.a->redis = false;
    pass(20);
    assert_true(cluster_may_run(&w.cluster, 0));
    answer(NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_call_goes_to_the_master_of_its_slot),
        TEST(of_the_calls_that_change_a_room_one_is_in_flight),
        TEST(a_call_follows_a_slot_that_has_moved),
        TEST(masters_that_point_at_each_other_are_asked_with_pauses),
        TEST(a_moved_that_names_nobody_is_waited_out),
        TEST(in_an_open_slot_a_call_waits_longer_and_longer),
        TEST(at_its_deadline_it_was_not_done),
        TEST(a_cluster_that_is_down_is_asked_again),
        TEST(a_master_that_serves_nobody_is_not_asked_for_the_map),
        TEST(slots_of_a_master_that_stays_away_are_unserved),
        TEST(slots_of_a_master_that_is_not_used_are_served),
        TEST(a_slot_without_an_owner_waits_for_the_map),
        TEST(a_link_that_is_not_ready_is_waited_for),
        TEST(a_script_that_broke_off_puts_its_room_in_doubt),
        TEST(another_refusal_is_the_callers),
        TEST(a_signal_waits_for_nothing),
        TEST(what_was_meant_under_another_name_is_not_sent_any_more),
        TEST(what_was_sent_may_run_until_the_links_are_replaced),
        TEST(at_the_end_what_waits_is_answered),
    };
#undef TEST

    return cmocka_run_group_tests(tests, open_replies, close_replies);
}
