/* test_admin_cluster.c - the admin service on a Redis Cluster: it finds rooms and registries where their slots
 * are, follows them, and says what is missing while a master is away (SPEC-SCALE S10).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/cluster_slot.h"
#include "common/shard_of.h"
#include "common/strbuf.h"
#include "tests/support/fleet/admin.h"
#include "tests/support/fleet/chat.h"
#include "tests/support/fleet/event_stream.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/redis/redis_cluster.h"
#include "tests/support/redis/redis_cmd.h"
#include "tests/support/unit/tokens.h"
#include "tests/support/unit/wait.h"

enum { MASTERS = 3, MANY = 30, LISTED_AGAIN_MS = 12000 };
enum { REDIS_DEADLINE_MS = 2000, SPARE_MS = 500 };

static struct redis_cluster cluster;
static struct fleet fleet;
static struct admin admin;
static char url[96];
static char rooms[MASTERS][32]; /* one at each master, as they are at the start */

/* ---- the scene ---- */

static unsigned slot_of(const char *room)
{
    return cluster_slot_of_room(room, strlen(room));
}

static unsigned shard_of_room(const char *room)
{
    return shard_of(room, strlen(room), SHARD_OF_CLUSTER);
}

static unsigned registry_slot(unsigned shard)
{
    char key[64];
    int len = snprintf(key, sizeof(key), "{%u}", shard_of_tag(shard));

    return cluster_slot_of_key(key, (size_t)len);
}

static unsigned owner_of(unsigned slot)
{
    return (unsigned)redis_cluster_owner(&cluster, slot);
}

/* Far from the ends of its master's slots, so that its registry is there as well. */
static void choose_rooms(const char *prefix)
{
    for (unsigned master = 0, i = 0; master < MASTERS; i++) {
        char name[32];
        unsigned slot;

        snprintf(name, sizeof(name), "%s-%u", prefix, i);
        slot = slot_of(name);
        if (owner_of(slot) != master ||
            owner_of(registry_slot(shard_of_room(name))) != master)
            continue;
        memcpy(rooms[master++], name, sizeof(name));
    }
}

static int start(unsigned replicas, const char *const *args, const char *login)
{
    redis_cmd_follow();
    redis_cluster_open(&cluster, &(struct redis_cluster_opts){.masters = MASTERS,
                                                              .replicas = replicas,
                                                              .args = args});
    snprintf(url, sizeof(url), "ROOMCAST_REDIS_URL=redis+cluster://%s127.0.0.1:%d",
             login, redis_cluster_port(&cluster, 0));
    fleet_start(&fleet, &(struct fleet_opts){.gateways = 2,
                                             .settings = (const char *[]){url, NULL}});
    admin_start(&admin, &fleet, (const char *[]){url, NULL});
    choose_rooms("room");
    return 0;
}

static int start_with_replicas(void **state)
{
    static const char *const args[] = {"--cluster-require-full-coverage", "no", NULL};

    (void)state;
    return start(1, args, "");
}

/* And a user that may do what docs/redis.md lists. */
static int start_without_replicas(void **state)
{
    static const char *const args[] = {"--cluster-require-full-coverage",
                                       "no",
                                       "--user",
                                       "roomcast",
                                       "on",
                                       ">secret",
                                       "~rc:*",
                                       "&rc:*",
                                       "&__keyspace@0__:rc:{*}:meta",
                                       "+@read",
                                       "+@write",
                                       "+@pubsub",
                                       "+@scripting",
                                       "+@connection",
                                       "-@dangerous",
                                       "+time",
                                       "+info",
                                       "+client|kill",
                                       "+client|info",
                                       "+cluster|slots",
                                       "+cluster|myid",
                                       NULL};

    (void)state;
    return start(0, args, "roomcast:secret@");
}

static int stop(void **state)
{
    (void)state;
    admin_stop(&admin);
    fleet_stop(&fleet);
    redis_cluster_close(&cluster);
    return 0;
}

static struct chat *join_all(const char *user)
{
    struct chat *chat = chat_open(fleet.gateways[0].port);

    for (unsigned i = 0; i < MASTERS; i++)
        chat_join(chat, rooms[i], user);
    return chat;
}

static void close_all_rooms(void)
{
    for (unsigned i = 0; i < MASTERS; i++)
        admin_post(&admin, 200, NULL, "/api/rooms/%s/close", rooms[i]);
}

/* ---- what is asked until it is so ---- */

struct question {
    struct admin *admin;
    const char *path, *text; /* that the answer must have */
};

static bool has_text(void *data)
{
    const struct question *q = data;

    admin_ask(q->admin, &(struct admin_request){.path = q->path});
    return q->admin->answer.body && strstr(q->admin->answer.body, q->text);
}

static void expect_text_of(struct admin *a, const char *path, const char *text, long ms)
{
    struct question q = {a, path, text};

    if (!wait_until(has_text, &q, ms))
        fail_msg("%s has no %s within %ld ms: %s", path, text, ms, a->answer.body);
}

static void expect_text_within(const char *path, const char *text, long ms)
{
    expect_text_of(&admin, path, text, ms);
}

static void expect_text(const char *path, const char *text)
{
    expect_text_within(path, text, FLEET_DEADLINE_MS);
}

static bool is_listed(const char *room)
{
    char text[64];

    snprintf(text, sizeof(text), "{\"room\":\"%s\",", room);
    return strstr(admin.answer.body, text);
}

static bool is_missing(unsigned shard)
{
    for (int i = 0; i < admin_count(&admin, "missing_shards"); i++) {
        char at[32];

        snprintf(at, sizeof(at), "missing_shards.%d", i);
        if (admin_number(&admin, at) == shard)
            return true;
    }
    return false;
}

/* ---- all is well ---- */

static void each_shard_tells_which_master_has_it(void **state)
{
    struct chat *ann = join_all("ann");

    (void)state;
    expect_text("/api/stats", "\"rooms\":3,");
    admin_get(&admin, 200, "/api/shards");
    assert_true(admin_is_true(&admin, "cluster"));
    assert_int_equal(admin_count(&admin, "shards"), SHARD_OF_MAX);
    for (unsigned i = 0; i < SHARD_OF_MAX; i++) {
        unsigned owner = owner_of(registry_slot(i)), count = 0;
        char text[160];

        for (unsigned k = 0; k < MASTERS; k++)
            count += shard_of_room(rooms[k]) == i;
        snprintf(text, sizeof(text),
                 "{\"shard_id\":%u,\"where\":\"127.0.0.1:%d\",\"up\":true,\"rooms\":%u,"
                 "\"role\":\"master\"}",
                 i, redis_cluster_port(&cluster, owner), count);
        if (!strstr(admin.answer.body, text))
            fail_msg("no %s in %s", text, admin.answer.body);
    }
    chat_close(ann);
    close_all_rooms();
}

static void a_room_is_found_where_its_slot_is(void **state)
{
    struct chat *ann = join_all("ann");

    (void)state;
    for (unsigned i = 0; i < MASTERS; i++) {
        admin_get(&admin, 200, "/api/rooms/%s", rooms[i]);
        assert_int_equal(admin_number(&admin, "shard_id"), shard_of_room(rooms[i]));
        assert_int_equal(admin_number(&admin, "members"), 1);
        admin_get(&admin, 200, "/api/rooms/%s/members", rooms[i]);
        assert_string_equal(admin_text(&admin, "members.0.user"), "ann");
        admin_post(&admin, 201, "{\"text\":\"hello\",\"key\":\"k\"}",
                   "/api/rooms/%s/messages", rooms[i]);
        chat_expect_skipping(ann, "message");
        assert_string_equal(chat_get_text(ann, "room"), rooms[i]);
        admin_get(&admin, 200, "/api/rooms/%s/messages", rooms[i]);
        assert_string_equal(admin_text(&admin, "messages.0.text"), "hello");
        admin_delete(&admin, 200, "/api/rooms/%s/messages/1", rooms[i]);
        chat_expect_skipping(ann, "message_deleted");
    }
    admin_get(&admin, 404, "/api/rooms/none");
    admin_get(&admin, 200, "/api/audit?limit=2");
    assert_string_equal(admin_text(&admin, "entries.0.what"), "delete");
    assert_string_equal(admin_text(&admin, "entries.0.room"), rooms[MASTERS - 1]);
    assert_string_equal(admin_text(&admin, "entries.1.what"), "publish");
    assert_true(redis_cmd_number(redis_cluster_port(&cluster, 0),
                                 "XLEN rc:shard:{10}:audit") >= 2 * MASTERS);
    chat_close(ann);
    close_all_rooms();
}

static bool has_policy(void *data)
{
    long long *rev = data;

    *rev = redis_cmd_number(redis_cluster_port(&cluster, 0),
                            "HGET rc:shard:{10}:policy keys_rev");
    return *rev > 0;
}

/* By another service, which reads them of a file; the gateways ask for none. */
static void keys_of_issuers_are_with_the_first_shard(void **state)
{
    struct tokens_key pair = tokens_key(JWK_EDDSA, 0);
    char *jwk = tokens_jwk(&pair, "in-cluster"), path[256], issuers[300];
    struct admin reader;
    long long rev;
    FILE *out;

    (void)state;
    snprintf(path, sizeof(path), "%s/jwks", fleet.dir);
    snprintf(issuers, sizeof(issuers), "ROOMCAST_JWT_ISSUERS=mine=%s", path);
    out = fopen(path, "we");
    assert_non_null(out);
    fprintf(out, "{\"keys\":[%s]}", jwk);
    assert_int_equal(fclose(out), 0);
    admin_start(&reader, &fleet, (const char *[]){url, issuers, NULL});
    assert_true(wait_until(has_policy, &rev, FLEET_DEADLINE_MS));
    admin_get(&reader, 200, "/api/keys");
    assert_string_equal(admin_text(&reader, "issuers.0.kids.0"), "in-cluster");
    admin_stop(&reader);
    remove(path);
    free(jwk);
    tokens_key_deinit(&pair);
}

#define SESSION "rcs_0123456789012345678901234567890123456789012"
#define SESSION_KEY                                                                    \
    "rc:shard:{10}:session:"                                                           \
    "b86322f469e4c6e6629edf76407ae7693474c648daefc01c34ad217fafbb8c05"

/* By another service, whose provider nobody can reach. */
static void sessions_are_with_the_first_shard(void **state)
{
    const char *const settings[] = {
        url,
        "ROOMCAST_OIDC_ISSUER=http://127.0.0.1:9",
        "ROOMCAST_OIDC_CLIENT_ID=x",
        "ROOMCAST_OIDC_REDIRECT_URL=http://127.0.0.1:9/oidc/callback",
        "ROOMCAST_OIDC_VIEWER=*",
        NULL,
    };
    const struct admin_request look = {.path = "/api/session", .token = SESSION};
    int port = redis_cluster_port_of_key(&cluster, SESSION_KEY);
    struct admin other;

    (void)state;
    redis_cmd(port, "SET " SESSION_KEY " %s PX 60000",
              "{\"name\":\"oidc:ann\",\"role\":\"viewer\",\"until\":9000000000000}");
    admin_start(&other, &fleet, settings);
    assert_int_equal(admin_ask(&other, &look), 200);
    assert_string_equal(admin_text(&other, "name"), "oidc:ann");
    assert_int_equal(admin_ask(&other, &(struct admin_request){.method = "DELETE",
                                                               .path = "/api/session",
                                                               .token = SESSION}),
                     200);
    assert_int_equal(redis_cmd_number(port, "EXISTS " SESSION_KEY), 0);
    assert_int_equal(admin_ask(&other, &look), 401);
    admin_stop(&other);
}

static void orders_reach_the_gateways(void **state)
{
    (void)state;
    for (unsigned i = 0; i < MASTERS; i++) {
        struct chat *bob = chat_open(fleet.gateways[1].port);

        chat_join(bob, rooms[i], "bob");
        admin_post(&admin, 200, "{\"secs\":60}", "/api/rooms/%s/mute/bob", rooms[i]);
        chat_send(bob, "{'type':'message','room':'%s','text':'x','id':'1'}", rooms[i]);
        chat_expect_skipping(bob, "error");
        assert_string_equal(chat_get_text(bob, "code"), "muted");
        admin_delete(&admin, 200, "/api/rooms/%s/mute/bob", rooms[i]);
        admin_post(&admin, 200, NULL, "/api/rooms/%s/kick/bob", rooms[i]);
        assert_true(admin_is_true(&admin, "kicked"));
        chat_expect_skipping(bob, "kicked");
        admin_post(&admin, 200, "{\"secs\":60}", "/api/rooms/%s/ban/bob", rooms[i]);
        chat_send(bob, "{'type':'join','room':'%s','user':'bob'}", rooms[i]);
        chat_expect_skipping(bob, "error");
        assert_string_equal(chat_get_text(bob, "code"), "banned");
        admin_get(&admin, 200, "/api/rooms/%s/bans", rooms[i]);
        assert_int_equal(admin_count(&admin, "entries"), 1);
        admin_delete(&admin, 200, "/api/rooms/%s/ban/bob", rooms[i]);
        chat_join(bob, rooms[i], "bob");
        admin_post(&admin, 200, NULL, "/api/rooms/%s/close", rooms[i]);
        chat_expect_skipping(bob, "room_closed");
        admin_get(&admin, 404, "/api/rooms/%s", rooms[i]);
        chat_close(bob);
    }
}

/* What a listing has in pages of seven, until there is no next. */
struct paging {
    const char *query;
    unsigned expected;
};

/* How many rooms they are, each after one with as many members at least, if that is the order. */
static unsigned page_through(const char *query)
{
    bool is_by_members = strstr(query, "sort=members");
    double last = 1e9;
    char *next = NULL;
    unsigned seen = 0;

    do {
        struct strbuf path = {NULL, 0, 0};

        strbuf_add_format(&path, "/api/rooms?limit=7%s%s%s", query,
                          next ? "&cursor=" : "", next ? next : "");
        free(next);
        admin_get(&admin, 200, "%s", path.data);
        strbuf_deinit(&path);
        assert_false(admin_has(&admin, "missing_shards"));
        for (int i = 0; i < admin_count(&admin, "rooms"); i++, seen++) {
            char at[32];

            snprintf(at, sizeof(at), "rooms.%d.members", i);
            if (is_by_members && admin_number(&admin, at) > last)
                seen += 1000; /* the index is not up to date yet */
            last = admin_number(&admin, at);
        }
        next =
            admin_is_null(&admin, "next") ? NULL : strdup(admin_text(&admin, "next"));
    } while (next);
    return seen;
}

static bool has_all(void *data)
{
    const struct paging *paging = data;

    return page_through(paging->query) == paging->expected;
}

/* An index is written behind the joins, and a room that is written between two pages may come twice. */
static void expect_paged(const char *query, unsigned expected)
{
    struct paging paging = {query, expected};

    if (!wait_until(has_all, &paging, FLEET_DEADLINE_MS))
        fail_msg("%s never has %u rooms", query, expected);
}

static void a_listing_puts_the_shards_together(void **state)
{
    struct chat *chats[4];

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        char user[8], room[16];

        chats[i] = chat_open(fleet.gateways[i % 2].port);
        snprintf(user, sizeof(user), "u%u", i);
        for (unsigned k = 0; k < MANY; k++) {
            snprintf(room, sizeof(room), "many-%u", k);
            if (k % 4 >= i)
                chat_join(chats[i], room, user);
        }
    }
    expect_text("/api/rooms?sort=members&limit=1", "\"total\":30");
    expect_text("/api/rooms?sort=members&limit=1", "\"members\":4,");
    expect_paged("&sort=members", MANY);
    expect_paged("&sort=recent", MANY);
    expect_paged("&search=MANY", MANY);
    expect_paged("&search=many-1", 11);
    for (unsigned k = 0; k < MANY; k++)
        admin_post(&admin, 200, NULL, "/api/rooms/many-%u/close", k);
    expect_text("/api/rooms", "\"total\":0");
    for (unsigned i = 0; i < 4; i++)
        chat_close(chats[i]);
}

static void a_user_is_found_and_disconnected(void **state)
{
    struct chat *eve = join_all("eve");

    (void)state;
    for (unsigned i = 0; i < MASTERS; i++)
        expect_text("/api/users/eve", rooms[i]);
    assert_int_equal(admin_count(&admin, "rooms"), MASTERS);
    admin_post(&admin, 200, NULL, "/api/users/eve/disconnect");
    assert_int_equal(admin_number(&admin, "nodes"), 2 * fleet_workers());
    assert_int_equal(chat_wait_close(eve, CHAT_DEADLINE_MS), 4503);
    chat_abort(eve);
    close_all_rooms();
}

static void the_fleet_is_told_of(void **state)
{
    (void)state;
    expect_text("/readyz", "ready\n");
    admin_get(&admin, 200, "/api/gateways");
    assert_int_equal(admin_count(&admin, "gateways"), 2 * fleet_workers());
    expect_text("/api/stats", "\"gateways\":2,");
    expect_text("/api/stats/online?minutes=5", "\"gateways\":2,");
    expect_text("/metrics", "roomcast_redis_up{shard=\"63\"} 1\n");
    /* two to each master */
    expect_text("/metrics", "roomcast_redis_links 6\n");
    expect_text("/metrics", "roomcast_redis_slots_unserved 0\n");
}

/* ---- slots that move ---- */

/* Each time that something may have been missed. */
static void expect_away_and_back(struct event_stream *events)
{
    event_stream_expect_text(events, "status", "redis", "down");
    event_stream_expect_text(events, "status", "redis", "up");
}

static void events_follow_their_slots(void **state)
{
    struct event_stream events = {0};
    char query[64];
    unsigned slot = slot_of(rooms[0]),
             registry = registry_slot(shard_of_room(rooms[0]));
    struct chat *ann = chat_open(fleet.gateways[0].port);

    (void)state;
    snprintf(query, sizeof(query), "?room=%s", rooms[0]);
    event_stream_open(&events, &admin, query);
    event_stream_expect(&events, "gateways");
    chat_join(ann, rooms[0], "ann");
    event_stream_expect_text(&events, "room_opened", "room", rooms[0]);
    chat_say(ann, rooms[0], "before");
    event_stream_expect_text(&events, "message", "text", "before");

    redis_cluster_move(&cluster, slot, 1, 1);
    expect_away_and_back(&events);
    chat_say(ann, rooms[0], "moved");
    event_stream_expect_text(&events, "message", "text", "moved");

    redis_cluster_move(&cluster, registry, 1, 2);
    expect_away_and_back(&events);
    admin_post(&admin, 200, NULL, "/api/rooms/%s/close", rooms[0]);
    event_stream_expect_text(&events, "room_closed", "room", rooms[0]);
    chat_join(ann, rooms[0], "ann");
    event_stream_expect_text(&events, "room_opened", "room", rooms[0]);
    expect_text("/api/shards", "\"rooms\":1,");

    redis_cluster_move(&cluster, slot, 1, 0);
    expect_away_and_back(&events);
    redis_cluster_move(&cluster, registry, 1, 0);
    expect_away_and_back(&events);
    event_stream_close(&events);
    chat_close(ann);
    admin_post(&admin, 200, NULL, "/api/rooms/%s/close", rooms[0]);
}

/* As a former master does that stood still when its replica took over: its notices come by the cluster's
 * bus. */
static void tell_as_former_master(const char *room)
{
    int port = redis_cluster_port(&cluster, owner_of(slot_of(room)));
    char *epoch = redis_cmd_text(port, "HGET rc:{%s}:meta epoch", room);
    long long term = redis_cmd_number(port, "HGET rc:{%s}:meta term", room);
    struct strbuf notice = {NULL, 0, 0};

    assert_true(term > 1);
    strbuf_add_format(
        &notice,
        "1 %s 1 message 9 9 - %lld.0123456789abcdef\n"
        "{\"type\":\"message\",\"room\":\"%s\",\"seq\":9,\"user\":\"ann\","
        "\"text\":\"lost\",\"ts\":1}",
        epoch, term - 1, room);
    redis_cmd(port, "SPUBLISH rc:{%s}:events %b", room, notice.data, notice.len);
    strbuf_deinit(&notice);
    free(epoch);
}

static void events_follow_a_master_that_hands_over(void **state)
{
    struct event_stream events = {0};
    char query[64], where[64];
    struct chat *ann = chat_open(fleet.gateways[0].port);
    unsigned replica;

    (void)state;
    snprintf(query, sizeof(query), "?room=%s", rooms[0]);
    event_stream_open(&events, &admin, query);
    event_stream_expect(&events, "gateways");
    chat_join(ann, rooms[0], "ann");
    event_stream_expect_text(&events, "room_opened", "room", rooms[0]);

    replica = redis_cluster_replica(&cluster, owner_of(slot_of(rooms[0])));
    redis_cluster_fail_over(&cluster, replica, "");
    expect_away_and_back(&events);
    redis_cluster_wait_well(&cluster);
    chat_say(ann, rooms[0], "handed over");
    event_stream_expect_text(&events, "message", "text", "handed over");
    tell_as_former_master(rooms[0]);
    chat_say(ann, rooms[0], "after");
    event_stream_expect(&events, "message");
    assert_string_equal(event_stream_get_text(&events, "text"), "after");
    snprintf(where, sizeof(where),
             "{\"shard_id\":0,\"where\":\"127.0.0.1:%d\",\"up\":true",
             redis_cluster_port(&cluster, replica));
    expect_text("/api/shards", where);
    admin_get(&admin, 200, "/api/rooms");
    assert_false(admin_has(&admin, "missing_shards"));
    assert_true(is_listed(rooms[0]));
    admin_post(&admin, 200, NULL, "/api/rooms/%s/close", rooms[0]);
    event_stream_expect_text(&events, "room_closed", "room", rooms[0]);
    event_stream_close(&events);
    chat_close(ann);
}

static void the_fleet_is_told_of_wherever_its_registry_is(void **state)
{
    unsigned slot = registry_slot(0), from = owner_of(slot),
             to = owner_of(slot_of(rooms[1]));
    char text[96];

    (void)state;
    redis_cluster_move(&cluster, slot, 1, to);
    admin_get(&admin, 200, "/api/gateways");
    assert_int_equal(admin_count(&admin, "gateways"), 2 * fleet_workers());
    admin_get(&admin, 200, "/api/stats");
    admin_get(&admin, 200, "/api/audit?limit=1");
    assert_string_equal(admin_text(&admin, "entries.0.what"), "close");
    snprintf(text, sizeof(text),
             "{\"shard_id\":0,\"where\":\"127.0.0.1:%d\",\"up\":true",
             redis_cluster_port(&cluster, to));
    expect_text("/api/shards", text);
    redis_cluster_move(&cluster, slot, 1, from);
    admin_get(&admin, 200, "/api/gateways");
}

static void a_room_whose_slot_is_open_is_waited_for(void **state)
{
    struct chat *ann = join_all("ann");
    unsigned slot = slot_of(rooms[1]), from = owner_of(slot),
             to = owner_of(slot_of(rooms[2]));

    (void)state;
    redis_cluster_open_slot(&cluster, slot, to);
    admin_get(&admin, 503, "/api/rooms/%s", rooms[1]);
    admin_post(&admin, 503, NULL, "/api/rooms/%s/kick/ann", rooms[1]);
    admin_post(&admin, 200, NULL, "/api/rooms/%s/kick/ann", rooms[2]);
    expect_text("/metrics", "roomcast_redis_redirects_total{kind=\"tryagain\"}");
    redis_cluster_migrate_keys(&cluster, slot, to);
    redis_cluster_end_slot(&cluster, slot, to);
    admin_get(&admin, 200, "/api/rooms/%s", rooms[1]);
    admin_post(&admin, 200, NULL, "/api/rooms/%s/kick/ann", rooms[1]);
    redis_cluster_move(&cluster, slot, 1, from);
    chat_close(ann);
    close_all_rooms();
}

static void set_mark(const char *mark)
{
    redis_cmd(redis_cluster_port_of_key(&cluster, "rc:shard:{10}:shard"),
              "SET rc:shard:{10}:shard %s", mark);
}

static void refuse_all(struct admin *a)
{
    for (unsigned i = 0; i < MASTERS; i++) {
        admin_get(a, 503, "/api/rooms/%s", rooms[i]);
        admin_post(a, 503, "{\"secs\":0}", "/api/rooms/%s/ban/ann", rooms[i]);
        assert_int_equal(redis_cmd_number(redis_cluster_port(&cluster, i),
                                          "EXISTS rc:{%s}:bans", rooms[i]),
                         0);
    }
    admin_get(a, 503, "/api/rooms");
    admin_get(a, 503, "/api/audit");
}

/* Gateways look when they start. */
static void a_cluster_whose_rooms_are_moved_is_left_alone(void **state)
{
    static const char *const wrong[][2] = {
        {"moving 0123456789abcdef 0/64 -", "shard 63 of 64 has rooms on the move"},
        {"moved 0123456789abcdef", "shard 63 of 64 has lost its rooms"},
    };
    static struct admin other;

    (void)state;
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        set_mark(wrong[i][0]);
        expect_text("/readyz", wrong[i][1]);
        assert_int_equal(admin.answer.status, 503);
        refuse_all(&admin);
    }
    admin_launch(&other, &fleet,
                 (const char *[]){url, "AUTH_TOKEN=" ADMIN_TOKEN, NULL});
    expect_text_of(&other, "/readyz", wrong[1][1], FLEET_DEADLINE_MS);
    refuse_all(&other);
    set_mark("0123456789abcdef 0 64");
    expect_text("/readyz", "ready\n");
    admin_wait_ready(&other);
    admin_stop(&other);
    for (unsigned i = 0; i < MASTERS; i++) {
        admin_post(&admin, 200, "{\"secs\":0}", "/api/rooms/%s/ban/ann", rooms[i]);
        admin_delete(&admin, 200, "/api/rooms/%s/ban/ann", rooms[i]);
    }
}

static void another_redis_is_no_cluster(void **state)
{
    static struct admin other;
    char text[96];

    (void)state;
    snprintf(text, sizeof(text), "ROOMCAST_REDIS_URL=redis+cluster://127.0.0.1:%d",
             fleet.redis_port);
    admin_launch(&other, &fleet,
                 (const char *[]){text, "AUTH_TOKEN=" ADMIN_TOKEN, NULL});
    expect_text_of(&other, "/readyz", "is not a Redis Cluster: use redis://",
                   FLEET_DEADLINE_MS);
    assert_int_equal(other.answer.status, 503);
    admin_get(&other, 503, "/api/rooms");
    admin_get(&other, 503, "/api/rooms/lobby");
    admin_stop(&other);
}

/* ---- a master without a replica is away ---- */

static unsigned shards_of(unsigned master)
{
    unsigned count = 0;

    for (unsigned i = 0; i < SHARD_OF_MAX; i++)
        count += REDIS_CLUSTER_SLOTS * master / MASTERS <= registry_slot(i) &&
                 registry_slot(i) < REDIS_CLUSTER_SLOTS * (master + 1) / MASTERS;
    return count;
}

static void expect_not_ready(unsigned master)
{
    char text[64];

    snprintf(text, sizeof(text), "shard %u: no connection to Redis",
             shard_of_room(rooms[master]));
    expect_text("/readyz", text);
    assert_int_equal(admin.answer.status, 200);
}

static void expect_partial(unsigned away)
{
    for (unsigned i = 0; i < MASTERS; i++)
        assert_int_equal(is_listed(rooms[i]), i != away);
    assert_int_equal(admin_count(&admin, "missing_shards"), shards_of(away));
    assert_true(is_missing(shard_of_room(rooms[away])));
    assert_true(admin_is_null(&admin, "total"));
}

static void expect_down_in_shards(unsigned master)
{
    unsigned shard = shard_of_room(rooms[master]);
    char text[128];

    snprintf(text, sizeof(text),
             "{\"shard_id\":%u,\"where\":\"127.0.0.1:%d\",\"up\":false,\"rooms\":null,"
             "\"role\":null}",
             shard, redis_cluster_port(&cluster, master));
    expect_text("/api/shards", text);
}

static bool has_logged(void *data)
{
    return admin_has_logged(&admin, data);
}

static void wait_until_all_are_listed(long ms)
{
    int64_t end_ms = wait_now_ms() + ms;

    for (unsigned i = 0; i < MASTERS; i++) {
        char text[128];

        snprintf(text, sizeof(text), "{\"room\":\"%s\",", rooms[i]);
        expect_text_within("/api/rooms", text, wait_left_ms(end_ms));
    }
}

/* Their registries are gone with it, as its rooms. */
static void come_back_empty(unsigned master)
{
    redis_cluster_start(&cluster, master);
    redis_cluster_wait_well(&cluster);
    wait_until_all_are_listed(LISTED_AGAIN_MS);
    expect_text("/readyz", "ready\n");
    fleet_wait_all_ready(&fleet);
}

static void the_rights_that_the_docs_list_are_enough(void **state)
{
    struct event_stream events = {0};
    struct chat *ann = join_all("ann");

    (void)state;
    event_stream_open(&events, &admin, "");
    wait_until_all_are_listed(FLEET_DEADLINE_MS);
    admin_post(&admin, 200, NULL, "/api/users/ann/disconnect");
    close_all_rooms();
    event_stream_expect(&events, "room_closed");
    expect_text("/readyz", "ready\n");
    assert_false(admin_has_logged(&admin, "redis_right_missing"));
    assert_false(admin_has_logged(&admin, "redis_error"));
    assert_false(process_has_logged(fleet.gateways[0].log_path, "redis_right_missing"));
    event_stream_close(&events);
    chat_abort(ann);
}

static void while_a_master_is_away_the_rest_is_told(void **state)
{
    struct chat *ann = join_all("ann");

    (void)state;
    wait_until_all_are_listed(FLEET_DEADLINE_MS);
    redis_cluster_kill(&cluster, 1);
    expect_not_ready(1);
    admin_get(&admin, 200, "/api/rooms");
    expect_partial(1);
    admin_get(&admin, 200, "/api/rooms?search=room");
    expect_partial(1);
    admin_get(&admin, 200, "/api/users/ann");
    assert_int_equal(admin_count(&admin, "missing_shards"), shards_of(1));
    assert_int_equal(admin_count(&admin, "rooms"), MASTERS - 1);
    admin_get(&admin, 503, "/api/rooms/%s", rooms[1]);
    admin_post(&admin, 503, NULL, "/api/rooms/%s/close", rooms[1]);
    admin_post(&admin, 200, NULL, "/api/rooms/%s/kick/ann", rooms[2]);
    chat_expect_skipping(ann, "kicked");
    chat_join(ann, rooms[2], "ann");
    admin_get(&admin, 200, "/api/gateways");
    assert_int_equal(admin_count(&admin, "gateways"), 2 * fleet_workers());
    expect_down_in_shards(1);
    come_back_empty(1);
    chat_close(ann);
    close_all_rooms();
}

static void while_the_first_shard_is_away_other_rooms_can_be_looked_after(void **state)
{
    struct chat *ann = join_all("ann");

    (void)state;
    wait_until_all_are_listed(FLEET_DEADLINE_MS);
    redis_cluster_kill(&cluster, 0);
    expect_not_ready(0);
    admin_get(&admin, 503, "/api/gateways");
    admin_get(&admin, 503, "/api/stats");
    admin_get(&admin, 503, "/api/audit");
    admin_get(&admin, 503, "/api/rooms/%s", rooms[0]);
    admin_get(&admin, 200, "/api/rooms");
    expect_partial(0);
    admin_post(&admin, 200, NULL, "/api/rooms/%s/kick/ann", rooms[2]);
    chat_expect_skipping(ann, "kicked");
    chat_join(ann, rooms[2], "ann");
    assert_true(wait_until(has_logged, (void *)"audit_failed", FLEET_DEADLINE_MS));
    come_back_empty(0);
    expect_text("/api/stats", "\"gateways\":2,");
    chat_close(ann);
    close_all_rooms();
}

static void one_that_stands_still_holds_nothing_up_for_long(void **state)
{
    struct chat *ann = join_all("ann");

    (void)state;
    wait_until_all_are_listed(FLEET_DEADLINE_MS);
    redis_cluster_stop(&cluster, 2);
    admin_get(&admin, 200, "/api/rooms");
    expect_partial(2);
    admin_get(&admin, 503, "/api/rooms/%s", rooms[2]);
    admin_get(&admin, 200, "/api/rooms/%s", rooms[0]);
    expect_down_in_shards(2);
    redis_cluster_go_on(&cluster, 2);
    redis_cluster_wait_well(&cluster);
    expect_text("/readyz", "ready\n");
    fleet_wait_all_ready(&fleet);
    chat_close(ann);
    close_all_rooms();
}

/* A question to many masters, all pages of the answer, and how long the longest took. */
struct pages {
    const char *path;
    unsigned away; /* MASTERS: none */
    int64_t longest_ms;
};

static void read_page(struct pages *pages, const char *cursor)
{
    int64_t begun_ms = wait_now_ms(), took_ms;

    admin_get(&admin, 200, "%s%s%s", pages->path, cursor ? "&cursor=" : "",
              cursor ? cursor : "");
    took_ms = wait_now_ms() - begun_ms;
    if (took_ms > pages->longest_ms)
        pages->longest_ms = took_ms;
}

/* Whether the rooms at all masters that are there are told. On a busy machine another one may be away, too. */
static bool are_told(void *data)
{
    struct pages *pages = data;
    bool told[MASTERS] = {false};
    char *next = NULL;

    do {
        read_page(pages, next);
        for (unsigned i = 0; i < MASTERS; i++)
            told[i] =
                told[i] || i == pages->away || strstr(admin.answer.body, rooms[i]);
        free(next);
        next =
            admin_is_null(&admin, "next") ? NULL : strdup(admin_text(&admin, "next"));
    } while (next);
    return told[0] && told[1] && told[2];
}

static void what_asks_many_masters_is_answered_within_one_deadline(void **state)
{
    static const struct pages cases[] = {
        {.path = "/api/users/-?user=ann", .away = 0},
        {.path = "/api/rooms?search=room", .away = 1},
        {.path = "/api/rooms?limit=2", .away = 2},
        {.path = "/api/users/-?user=ann", .away = 1},
    };
    struct chat *ann = join_all("ann");

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pages well = {.path = cases[i].path, .away = MASTERS}, some = cases[i];

        if (!wait_until(are_told, &well, LISTED_AGAIN_MS))
            fail_msg("%s: not all are told: %s", well.path, admin.answer.body);
        redis_cluster_stop(&cluster, some.away);
        if (!wait_until(are_told, &some, LISTED_AGAIN_MS)) {
            process_print_log(admin.log_path);
            fail_msg("%s without %u: %s", some.path, some.away, admin.answer.body);
        }
        if (some.longest_ms > REDIS_DEADLINE_MS + SPARE_MS)
            fail_msg("%s: %d ms", some.path, (int)some.longest_ms);
        redis_cluster_go_on(&cluster, some.away);
        redis_cluster_wait_well(&cluster);
        expect_text("/readyz", "ready\n");
        fleet_wait_all_ready(&fleet);
    }
    chat_close(ann);
    close_all_rooms();
}

/* All keys of the shard's slot, of which rooms have none. */
static void delete_registry(unsigned shard)
{
    unsigned slot = registry_slot(shard);
    int port = redis_cluster_port(&cluster, owner_of(slot));
    redisReply *keys = redis_cmd_reply(port, "CLUSTER GETKEYSINSLOT %u 100", slot);

    assert_non_null(keys);
    assert_true(keys->elements > 0);
    for (size_t i = 0; i < keys->elements; i++)
        redis_cmd(port, "DEL %s", keys->element[i]->str);
    freeReplyObject(keys);
}

static void a_registry_that_is_lost_is_written_again(void **state)
{
    struct chat *ann = join_all("ann");

    (void)state;
    wait_until_all_are_listed(FLEET_DEADLINE_MS);
    for (unsigned i = 0; i < MASTERS; i++)
        delete_registry(shard_of_room(rooms[i]));
    admin_get(&admin, 200, "/api/rooms");
    wait_until_all_are_listed(LISTED_AGAIN_MS);
    chat_close(ann);
    close_all_rooms();
}

static void it_stops_while_calls_wait(void **state)
{
    static struct admin other;

    (void)state;
    admin_start(&other, &fleet, (const char *[]){url, NULL});
    redis_cluster_kill(&cluster, 1);
    expect_text_of(&other, "/readyz", "no connection to Redis", FLEET_DEADLINE_MS);
    admin_stop(&other);
    redis_cluster_start(&cluster, 1);
    redis_cluster_wait_well(&cluster);
    fleet_wait_all_ready(&fleet);
}

int main(void)
{
    const struct CMUnitTest with_replicas[] = {
        cmocka_unit_test(each_shard_tells_which_master_has_it),
        cmocka_unit_test(a_room_is_found_where_its_slot_is),
        cmocka_unit_test(keys_of_issuers_are_with_the_first_shard),
        cmocka_unit_test(sessions_are_with_the_first_shard),
        cmocka_unit_test(orders_reach_the_gateways),
        cmocka_unit_test(a_listing_puts_the_shards_together),
        cmocka_unit_test(a_user_is_found_and_disconnected),
        cmocka_unit_test(the_fleet_is_told_of),
        cmocka_unit_test(events_follow_their_slots),
        cmocka_unit_test(events_follow_a_master_that_hands_over),
        cmocka_unit_test(the_fleet_is_told_of_wherever_its_registry_is),
        cmocka_unit_test(a_room_whose_slot_is_open_is_waited_for),
        cmocka_unit_test(a_cluster_whose_rooms_are_moved_is_left_alone),
        cmocka_unit_test(another_redis_is_no_cluster),
    };
    const struct CMUnitTest without_replicas[] = {
        cmocka_unit_test(the_rights_that_the_docs_list_are_enough),
        cmocka_unit_test(while_a_master_is_away_the_rest_is_told),
        cmocka_unit_test(while_the_first_shard_is_away_other_rooms_can_be_looked_after),
        cmocka_unit_test(one_that_stands_still_holds_nothing_up_for_long),
        cmocka_unit_test(what_asks_many_masters_is_answered_within_one_deadline),
        cmocka_unit_test(a_registry_that_is_lost_is_written_again),
        cmocka_unit_test(it_stops_while_calls_wait),
    };

    return cmocka_run_group_tests(with_replicas, start_with_replicas, stop) +
           cmocka_run_group_tests(without_replicas, start_without_replicas, stop);
}
