/* test_listening.c - the buses of three workers and the feed of the one that reads, in any interleaving:
 * of what is published while a room counts as subscribed nothing is missed without a loss being told,
 * nothing comes twice, and all comes in order.
 *
 * Redis, the inboxes and the rooms are the test's: it keeps what is under way and lets one thing after
 * the other arrive, by a seed. Redis publishes in each room 1, 2, 3 ...
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

#include "common/log.h"
#include "gateway/bus.h"
#include "gateway/deliver.h"
#include "tests/support/unit/notices_rig.h"

enum { WORKERS = 3, OWN = 1, ROOMS = 3, SEEDS = 300, STEPS = 1500, QUEUE_MAX = 8192 };

static const char *const names[ROOMS] = {"a", "b", "c"};

/* A worker's part of a room. */
struct seat {
    struct room *room;   /* NULL: nobody is in */
    uint64_t sure_after; /* while it is subscribed: later numbers must come */
    uint64_t last;       /* that came */
};

static struct {
    struct feed feed;
    struct config config;
    struct redis_url url;
    struct metrics metrics;
    uint32_t random;
    struct {
        struct bus bus;
        struct rooms rooms;
        struct seat seats[ROOMS];
        struct inbox inbox; /* only its address */
        bool has_ended;
    } workers[WORKERS];
    struct handover_copy *queues[WORKERS][QUEUE_MAX];
    unsigned first[WORKERS], behind[WORKERS];
    /* Commands that Redis has not run, and replies that were not read. */
    char *commands[QUEUE_MAX], *replies[QUEUE_MAX];
    unsigned commands_first, commands_behind, replies_first, replies_behind;
    bool is_subscribed[ROOMS]; /* at Redis */
    uint64_t published[ROOMS];
    uint64_t came; /* in all */
} w;

static unsigned pick(unsigned below)
{
    w.random = w.random * 1664525 + 1013904223;
    return (w.random >> 8) % below;
}

/* ---- in place of the inboxes ---- */

bool inbox_post(struct inbox *inbox, struct handover_copy *copy)
{
    unsigned i = 0;

    while (inbox != &w.workers[i].inbox)
        i++;
    assert_false(w.workers[i].has_ended && i != OWN);
    assert_true(w.behind[i] < QUEUE_MAX);
    w.queues[i][w.behind[i]++] = handover_ref(copy);
    return true;
}

bool inbox_post_new(struct inbox *inbox, const struct handover *what)
{
    struct handover_copy *copy = handover_copy(what);

    inbox_post(inbox, copy);
    handover_unref(copy);
    return true;
}

/* ---- in place of the rooms ---- */

static unsigned worker_of(const struct rooms *rooms)
{
    unsigned i = 0;

    while (rooms != &w.workers[i].rooms)
        i++;
    return i;
}

struct room *room_find(struct rooms *rooms, const char *name, size_t len)
{
    return map_find(&rooms->map, name, len);
}

static unsigned room_of(const char *name)
{
    return (unsigned)(name[0] - 'a');
}

static struct seat *seat_of(const struct room *room)
{
    return &w.workers[worker_of(room->rooms)].seats[room_of(room->name)];
}

/* From now on it asks Redis for what came before, and hears the rest. */
void room_on_subscribed(struct room *room)
{
    struct seat *seat = seat_of(room);

    assert_false(room->is_subscribed);
    room->is_subscribed = true;
    seat->sure_after = seat->last = w.published[room_of(room->name)];
}

void deliver_notice(struct room *room, const struct notice *notice, uint64_t now_ms)
{
    struct seat *seat = seat_of(room);

    (void)now_ms;
    w.came++;
    if (!room->is_subscribed || notice->first <= seat->sure_after)
        return; /* is in the history that is read with the sync */
    assert_int_equal(notice->first, seat->last + 1);
    seat->last = notice->first;
}

void deliver_malformed(struct room *room, const char *where)
{
    (void)room, (void)where;
    fail();
}

/* ---- the hooks ---- */

static void on_bus_ready(struct bus *bus)
{
    (void)bus;
}

static void on_bus_lost(struct bus *bus)
{
    const struct room *room;
    uint32_t at = 0;

    while ((room = map_next(&bus->rooms->map, &at)))
        assert_false(room->is_subscribed);
}

static void on_canary(struct bus *bus, uint64_t number)
{
    (void)bus, (void)number;
}

static void on_command(struct bus *bus, struct json_text command)
{
    (void)bus, (void)command;
}

static void on_notice(struct bus *bus, uint64_t read_ns)
{
    (void)bus, (void)read_ns;
}

static void on_told(struct feed *feed, const struct handover *what)
{
    (void)feed;
    bus_take(&w.workers[OWN].bus, what);
}

static void on_expired(struct feed *feed, const char *room, size_t len)
{
    (void)feed, (void)room, (void)len;
}

/* ---- Redis ---- */

/* What was sent since the last call is under way. */
static void take_commands(void)
{
    char *at = notices_rig.sent.data, *line;

    while (at && (line = strsep(&at, "\n")))
        if (*line) {
            assert_true(w.commands_behind < QUEUE_MAX);
            w.commands[w.commands_behind++] = strdup(line);
        }
    notices_rig_forget_sent();
}

static void reply(const char *kind, const char *channel, const char *text)
{
    char line[128];

    assert_true(w.replies_behind < QUEUE_MAX);
    snprintf(line, sizeof(line), "%s %s %s", kind, channel, text);
    w.replies[w.replies_behind++] = strdup(line);
}

/* It runs one command. */
static void run_command(void)
{
    char *line, *at, *verb, *channel;

    take_commands();
    if (w.commands_first == w.commands_behind)
        return;
    line = at = w.commands[w.commands_first++];
    verb = strsep(&at, " ");
    while ((channel = strsep(&at, " "))) {
        if (strncmp(channel, "rc:{", 4) == 0 && strcmp(verb, "PSUBSCRIBE") != 0)
            w.is_subscribed[room_of(channel + 4)] = strcmp(verb, "SUBSCRIBE") == 0;
        reply(verb[0] == 'P'   ? "psubscribe"
              : verb[0] == 'S' ? "subscribe"
                               : "unsubscribe",
              channel, "1");
    }
    free(line);
}

static void publish(unsigned room)
{
    char channel[32], text[64];

    w.published[room]++;
    if (!w.is_subscribed[room])
        return;
    snprintf(channel, sizeof(channel), "rc:{%s}:events", names[room]);
    snprintf(text, sizeof(text), "1|00000000000000e1|1|message|%llu|%llu|-|",
             (unsigned long long)w.published[room],
             (unsigned long long)w.published[room]);
    reply("message", channel, text);
}

static void read_reply(void)
{
    char *line, *at, *kind, *channel, *text;

    if (w.replies_first == w.replies_behind)
        return;
    line = at = w.replies[w.replies_first++];
    kind = strsep(&at, " ");
    channel = strsep(&at, " ");
    text = at;
    for (char *c = text; *c; c++)
        *c = *c == '|' ? ' ' : *c; /* the header's */
    if (text[strlen(text) - 1] == ' ')
        text[strlen(text) - 1] = '\n';
    notices_rig_push(kind, channel, text, NULL);
    free(line);
}

/* What was under way is lost. */
static void drop_connection(void)
{
    while (w.commands_first < w.commands_behind)
        free(w.commands[w.commands_first++]);
    while (w.replies_first < w.replies_behind)
        free(w.replies[w.replies_first++]);
    w.commands_first = w.commands_behind = w.replies_first = w.replies_behind = 0;
    notices_rig_forget_sent();
    memset(w.is_subscribed, 0, sizeof(w.is_subscribed));
}

/* A restart from inside shows in that the link is not ready any more. */
static void look_at_link(void)
{
    if (!notices_rig.is_ready)
        drop_connection();
}

static void cut_or_connect(void)
{
    if (!notices_rig.is_ready) {
        look_at_link();
        notices_rig_connect();
    } else if (pick(4) == 0) {
        notices_rig_cut();
    }
}

/* ---- the workers ---- */

static void take_handover(unsigned worker)
{
    struct handover_copy *copy;
    const struct handover *what;

    if (w.first[worker] == w.behind[worker])
        return;
    copy = w.queues[worker][w.first[worker]++];
    what = handover_of(copy);
    if (handover_is_request(what))
        feed_take(&w.feed, what);
    else
        bus_take(&w.workers[worker].bus, what);
    handover_unref(copy);
    if (w.first[worker] == w.behind[worker])
        w.first[worker] = w.behind[worker] = 0;
}

static void enter(unsigned worker, unsigned room)
{
    struct room *it = calloc(1, sizeof(*it) + 2);

    it->rooms = &w.workers[worker].rooms;
    it->name_len = 1;
    memcpy(it->name, names[room], 2);
    w.workers[worker].seats[room] = (struct seat){it, 0, 0};
    map_add(&it->rooms->map, it->name, 1, it);
    bus_subscribe(&w.workers[worker].bus, it);
}

static void leave(unsigned worker, unsigned room)
{
    struct room *it = w.workers[worker].seats[room].room;

    w.workers[worker].seats[room].room = NULL;
    map_remove(&it->rooms->map, it->name, 1);
    bus_unsubscribe(&w.workers[worker].bus, it);
    free(it);
}

static void enter_or_leave(void)
{
    unsigned worker = pick(WORKERS), room = pick(ROOMS);

    if (w.workers[worker].seats[room].room)
        leave(worker, room);
    else
        enter(worker, room);
}

static void be_deaf(void)
{
    unsigned worker = pick(WORKERS);

    if (pick(10) == 0 && bus_is_ready(&w.workers[worker].bus))
        bus_restart(&w.workers[worker].bus);
    look_at_link();
}

static void step(void)
{
    unsigned what = pick(100);

    if (what < 15)
        enter_or_leave();
    else if (what < 40)
        take_handover(pick(WORKERS));
    else if (what < 60)
        run_command();
    else if (what < 80)
        read_reply();
    else if (what < 96)
        publish(pick(ROOMS));
    else if (what < 98)
        cut_or_connect();
    else
        be_deaf();
    take_commands();
    look_at_link();
}

/* All that is under way arrives. */
static void settle(void)
{
    if (!notices_rig.is_ready)
        cut_or_connect();
    for (int i = 0; i < 4 * QUEUE_MAX; i++) {
        run_command();
        read_reply();
        take_handover((unsigned)i % WORKERS);
    }
}

/* ---- */

static void open_all(uint32_t seed)
{
    static const struct feed_hooks feed_hooks = {on_told, on_expired};
    static const struct bus_hooks bus_hooks = {.on_ready = on_bus_ready,
                                               .on_lost = on_bus_lost,
                                               .on_canary = on_canary,
                                               .on_command = on_command,
                                               .on_notice = on_notice};
    static struct inbox *const inboxes[] = {&w.workers[0].inbox, &w.workers[1].inbox,
                                            &w.workers[2].inbox};
    const struct feed_opts opts = {
        .config = &w.config,
        .url = &w.url,
        .metrics = &w.metrics,
        .name = "notices",
        .worker = OWN,
        .workers = WORKERS,
        .inboxes = inboxes,
        .hooks = &feed_hooks,
    };

    memset(&w, 0, sizeof(w));
    w.random = seed;
    w.config.redis_deadline_ms = 1000;
    notices_rig_open();
    feed_open(&w.feed, &opts);
    for (unsigned i = 0; i < WORKERS; i++) {
        struct bus_opts of_bus = {
            .rooms = &w.workers[i].rooms, .worker = i, .hooks = &bus_hooks};

        of_bus.feed = i == OWN ? &w.feed : NULL;
        of_bus.reader = i == OWN ? NULL : inboxes[OWN];
        bus_open(&w.workers[i].bus, &of_bus);
    }
}

static void close_all(void)
{
    for (unsigned i = 0; i < WORKERS; i++) {
        for (unsigned room = 0; room < ROOMS; room++)
            if (w.workers[i].seats[room].room)
                leave(i, room);
        bus_close(&w.workers[i].bus);
    }
    for (unsigned i = 0; i < WORKERS; i++)
        while (w.first[i] < w.behind[i])
            take_handover(i);
    assert_false(feed_is_open(&w.feed));
    drop_connection();
    for (unsigned i = 0; i < WORKERS; i++)
        bus_deinit(&w.workers[i].bus);
    feed_deinit(&w.feed);
    notices_rig_close();
}

static void expect_all_to_be_well(void)
{
    for (unsigned room = 0; room < ROOMS; room++) {
        bool is_wanted = false;

        for (unsigned i = 0; i < WORKERS; i++) {
            const struct seat *seat = &w.workers[i].seats[room];

            if (!seat->room)
                continue;
            is_wanted = true;
            assert_true(seat->room->is_subscribed);
            assert_int_equal(seat->last, w.published[room]);
        }
        assert_int_equal(w.is_subscribed[room], is_wanted); /* nothing is left behind */
    }
    assert_true(w.feed.rooms.map.count <= ROOMS);
}

static void nothing_is_missed_whatever_the_order(void **state)
{
    uint64_t came = 0;

    (void)state;
    log_max = LOG_SILENT;
    keys_set_prefix("rc");
    for (uint32_t seed = 1; seed <= SEEDS; seed++) {
        open_all(seed);
        for (int i = 0; i < STEPS; i++)
            step();
        settle();
        for (unsigned room = 0; room < ROOMS; room++)
            publish(room);
        settle();
        expect_all_to_be_well();
        came += w.came;
        close_all();
    }
    assert_true(came > 100 * SEEDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_missed_whatever_the_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
