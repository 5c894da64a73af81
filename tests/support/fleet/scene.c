/* scene.c - see scene.h.
 *
 *     on_talk -> chat_client_say -> on_said -> checker_on_ack
 *     on_message, on_event -> checker_on_...
 *     scene_end -> has_recovered -> has_settled -> checker_judge -> is_roll_true
 *
 * Over 400 lines because a scene is told in one place: who is there, what they say, what is
 * done to them, and when it is over.
 */
#include "tests/support/fleet/scene.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <cjson/cJSON.h>

#include "common/strbuf.h"
#include "common/xalloc.h"
#include "tests/support/fleet/http_get.h"
#include "tests/support/fleet/loop.h"
#include "tests/support/fleet/roll.h"
#include "tests/support/redis/port.h"
#include "tests/support/redis/redis_cmd.h"
#include "tests/support/unit/wait.h"

enum {
    TALK_MS = 25,   /* one message by one guest */
    WAITING = 16,   /* unacked a guest */
    LOOK_MS = 100,  /* at /readyz */
    NOTICE_MS = 20, /* the guests see what has become of their connections */
    USERS = 16,     /* the other guests are second connections of the first users */
};

const char *scene_room(unsigned i)
{
    static const char *const rooms[SCENE_ROOMS] = {"red", "green", "blue", "grey"};

    return rooms[i % SCENE_ROOMS];
}

/* ---- a guest ---- */

static struct checker_member *member_of(struct scene_guest *guest, const char *room)
{
    for (int i = 0; i < SCENE_EACH; i++)
        if (strcmp(scene_room(guest->rooms[i]), room) == 0)
            return guest->members[i];
    fail_msg("%s is told of the room %s", guest->user, room);
    return NULL;
}

static const char *text_of(const cJSON *json, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, name);

    return cJSON_IsString(item) ? item->valuestring : "";
}

static uint64_t number_of(const cJSON *json, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, name);

    return cJSON_IsNumber(item) ? (uint64_t)item->valuedouble : 0;
}

static void on_message(void *owner, const struct chat_message *message)
{
    static const char mark[] = "\"text\":\"";
    struct scene_guest *guest = owner;
    const char *text =
        memmem(message->event.base, message->event.len, mark, sizeof(mark) - 1);

    assert_non_null(text);
    checker_on_message(member_of(guest, message->room), message->seq,
                       strtoull(text + sizeof(mark) - 1, NULL, 10));
}

static bool is_one_of_ours(const struct scene *scene, const char *user)
{
    for (int i = 0; i < SCENE_GUESTS; i++)
        if (strcmp(scene->guests[i].user, user) == 0)
            return true;
    return false;
}

static void note_left(struct scene_guest *guest, const char *room, const char *user,
                      const char *reason)
{
    struct scene *scene = guest->scene;

    if (!is_one_of_ours(scene, user))
        return;
    if (scene->left++ == 0)
        snprintf(scene->first_left, sizeof(scene->first_left), "%s saw %s leave %s: %s",
                 guest->user, user, room, reason);
}

static void take_event(struct scene_guest *guest, const char *type, const cJSON *json)
{
    const char *room = text_of(json, "room");

    if (strcmp(type, "join_ack") == 0)
        checker_on_join(
            member_of(guest, room), text_of(json, "epoch"), number_of(json, "seq"),
            cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(json, "recovered")));
    else if (strcmp(type, "gap") == 0)
        checker_on_gap(member_of(guest, room), number_of(json, "from"),
                       number_of(json, "to"));
    else if (strcmp(type, "reset") == 0)
        checker_on_reset(member_of(guest, room), text_of(json, "epoch"),
                         number_of(json, "seq"));
    else if (strcmp(type, "member_left") == 0)
        note_left(guest, room, text_of(json, "user"), text_of(json, "reason"));
}

static void on_event(void *owner, struct json_text type, struct json_text event)
{
    struct scene_guest *guest = owner;
    cJSON *json = cJSON_ParseWithLength(event.base, event.len);

    (void)type;
    assert_non_null(json);
    take_event(guest, text_of(json, "type"), json);
    cJSON_Delete(json);
}

static void on_said(void *owner, const struct chat_said *said)
{
    struct scene_guest *guest = owner;

    if (said->error)
        fail_msg("%s: not said in %s: %s", guest->user, said->room, said->error);
    guest->waiting--;
    if (guest->owed > 0 && said->id <= guest->owed_until)
        guest->owed--;
    checker_on_ack(guest->scene->checker, said->room, said->epoch, said->seq,
                   guest->said[said->id]);
}

static void on_closed(void *owner)
{
    struct scene_guest *guest = owner;

    guest->client = NULL;
    guest->scene->closed++;
}

static void say(struct scene_guest *guest, unsigned room)
{
    struct scene *scene = guest->scene;
    struct strbuf text = {NULL, 0, 0};
    uint64_t id;

    strbuf_add_format(&text, "%llu ", (unsigned long long)++scene->said);
    while (text.len < scene->text_bytes)
        strbuf_add_char(&text, 'x');
    id = chat_client_say(guest->client, scene_room(guest->rooms[room]), text.data,
                         text.len);
    strbuf_deinit(&text);
    assert_true(id > 0);
    if (id >= guest->said_cap) {
        guest->said_cap = 2 * id;
        guest->said = xrealloc(guest->said, guest->said_cap * sizeof(*guest->said));
    }
    guest->said[id] = scene->said;
    guest->last_id = id;
    guest->waiting++;
}

static void on_talk(uv_timer_t *timer)
{
    struct scene *scene = timer->data;
    struct scene_guest *guest = &scene->guests[scene->said % SCENE_GUESTS];

    if (guest->waiting < WAITING)
        say(guest, (unsigned)(scene->said / SCENE_GUESTS) % SCENE_EACH);
    else
        scene->said++; /* a number that nobody says: the next one's turn */
}

static void open_guest(struct scene *scene, unsigned i)
{
    struct scene_guest *guest = &scene->guests[i];
    struct connection_address addresses[SCENE_GATEWAYS];

    for (int g = 0; g < SCENE_GATEWAYS; g++)
        addresses[g] = (struct connection_address){
            .host = "127.0.0.1", .port = scene->fleet.gateways[g].port};
    guest->scene = scene;
    snprintf(guest->user, sizeof(guest->user), "u%u", i % USERS);
    guest->client = chat_client_open(&scene->loop, &(struct chat_client_opts){
                                                       .addresses = addresses,
                                                       .count = SCENE_GATEWAYS,
                                                       .first = i % SCENE_GATEWAYS,
                                                       .pause_least_ms = 50,
                                                       .pause_most_ms = 400,
                                                       .silence_ms = 1000,
                                                       .owner = guest,
                                                       .on_message = on_message,
                                                       .on_event = on_event,
                                                       .on_said = on_said,
                                                       .on_closed = on_closed,
                                                   });
    for (unsigned r = 0; r < SCENE_EACH; r++) {
        guest->rooms[r] = (i % USERS + r) % SCENE_ROOMS;
        guest->members[r] =
            checker_add(scene->checker, scene_room(guest->rooms[r]), guest->user);
        chat_client_join(guest->client, scene_room(guest->rooms[r]), guest->user);
    }
}

static bool is_live(const struct scene_guest *guest)
{
    for (int r = 0; r < SCENE_EACH; r++)
        if (!chat_client_is_live(guest->client, scene_room(guest->rooms[r])))
            return false;
    return true;
}

static bool all_are_live(const struct scene *scene)
{
    for (int i = 0; i < SCENE_GUESTS; i++)
        if (!is_live(&scene->guests[i]))
            return false;
    return true;
}

/* ---- the gateways ---- */

static bool can_be_asked(struct scene *scene, unsigned g)
{
    return !scene->is_asleep[g] &&
           process_is_running(&scene->fleet.gateways[g].process);
}

static int ready_status(struct scene *scene, unsigned g)
{
    return http_get_status(scene->fleet.gateways[g].ops_port, "/readyz");
}

static void look_for(struct scene *scene, struct scene_guest *guest)
{
    int64_t now = wait_now_ms(), away;

    if (!guest->client || is_live(guest)) {
        guest->away_since_ms = 0;
        return;
    }
    if (guest->away_since_ms == 0)
        guest->away_since_ms = now;
    away = now - guest->away_since_ms;
    if (away > scene->longest_away_ms)
        scene->longest_away_ms = away;
}

static void on_look(uv_timer_t *timer)
{
    struct scene *scene = timer->data;

    for (int i = 0; i < SCENE_GUESTS; i++)
        look_for(scene, &scene->guests[i]);
    for (unsigned g = 0; scene->unready_ms < 0 && g < SCENE_GATEWAYS; g++)
        if (!scene->is_new[g] && can_be_asked(scene, g) &&
            ready_status(scene, g) == 503)
            scene->unready_ms = wait_now_ms();
}

static bool all_are_ready(struct scene *scene)
{
    for (unsigned g = 0; g < SCENE_GATEWAYS; g++)
        if (can_be_asked(scene, g) && ready_status(scene, g) != 200)
            return false;
    return true;
}

void scene_signal(struct scene *scene, unsigned gateway, int signal)
{
    process_signal(&scene->fleet.gateways[gateway].process, signal);
    if (signal == SIGSTOP)
        scene->is_asleep[gateway] = true;
    if (signal == SIGCONT)
        scene->is_asleep[gateway] = false;
}

static bool has_exited(void *data)
{
    return !process_is_running(data);
}

void scene_await_exit(struct scene *scene, unsigned gateway)
{
    struct fleet_gateway *g = &scene->fleet.gateways[gateway];

    if (!scene_run_until(scene, has_exited, &g->process, FLEET_DEADLINE_MS))
        fail_msg("a gateway does not end after SIGTERM");
    if (g->process.status != 0) {
        scene->fleet.failed = true;
        process_print_log(g->log_path);
        fail_msg("a gateway ends with %d after SIGTERM", g->process.status);
    }
    g->down = true;
}

struct starting {
    struct scene *scene;
    unsigned gateway;
};

static bool is_ready(void *data)
{
    struct starting *s = data;

    return ready_status(s->scene, s->gateway) == 200;
}

void scene_restart(struct scene *scene, unsigned gateway)
{
    struct starting s = {scene, gateway};

    scene->is_new[gateway] = true;
    fleet_launch_gateway(&scene->fleet, gateway);
    if (!scene_run_until(scene, is_ready, &s, FLEET_DEADLINE_MS))
        fail_msg("a gateway does not get ready");
}

int scene_gateway_of(struct scene *scene, const char *node)
{
    for (int g = 0; g < SCENE_GATEWAYS; g++) {
        char part[32];

        int pid = scene->odd_pids[g] ? scene->odd_pids[g]
                                     : scene->fleet.gateways[g].process.pid;

        snprintf(part, sizeof(part), "-%d-", pid);
        if (pid && strstr(node, part))
            return g;
    }
    return -1;
}

/* ---- a fault ---- */

static bool never(void *data)
{
    (void)data;
    return false;
}

void scene_run(struct scene *scene, long ms)
{
    loop_run_until(&scene->loop, never, NULL, ms);
}

bool scene_run_until(struct scene *scene, wait_condition_fn condition, void *data,
                     long deadline_ms)
{
    return loop_run_until(&scene->loop, condition, data, deadline_ms);
}

/* The test fails; the logs stay. */
static void give_up(struct scene *scene, const char *why)
{
    scene->fleet.failed = true;
    for (unsigned g = 0; g < scene->fleet.count; g++)
        process_print_log(scene->fleet.gateways[g].log_path);
    fail_msg("%s: %s; the logs stay in %s", scene->name, why, scene->fleet.dir);
}

static unsigned home_of(const struct scene *scene, unsigned guest)
{
    return (unsigned)scene->fleet.gateways[guest % SCENE_GATEWAYS].port;
}

static bool everybody_is_in(void *data)
{
    return all_are_live(data);
}

/* Sends everybody back to the gateway where they began: a cut sends them one further. */
static void spread_guests(struct scene *scene)
{
    for (int tries = 1; tries < SCENE_GATEWAYS; tries++) {
        for (unsigned i = 0; i < SCENE_GUESTS; i++)
            if ((unsigned)chat_client_address(scene->guests[i].client)->port !=
                home_of(scene, i))
                chat_client_cut(scene->guests[i].client);
        scene_run(scene, NOTICE_MS);
        if (!scene_run_until(scene, everybody_is_in, scene, SCENE_DEADLINE_MS))
            give_up(scene, "not everybody gets in");
    }
}

void scene_begin(struct scene *scene, const char *name)
{
    print_message("  %s\n", name);
    spread_guests(scene);
    scene->name = name;
    scene->begun_ms = wait_now_ms();
    scene->mended_ms = scene->unready_ms = scene->recovered_ms = -1;
    scene->left = 0;
    scene->longest_away_ms = 0;
    memset(scene->is_new, 0, sizeof(scene->is_new));
    scene->verdict = (struct checker_verdict){0, 0, 0, 0, 0};
    uv_timer_start(&scene->talk, on_talk, 0, TALK_MS);
    uv_timer_start(&scene->look, on_look, 0, LOOK_MS);
}

/* The fault is over from here on. */
static void mend(struct scene *scene)
{
    scene->mended_ms = wait_now_ms();
    for (int i = 0; i < SCENE_GUESTS; i++) {
        struct scene_guest *guest = &scene->guests[i];

        guest->owed = guest->waiting;
        guest->owed_until = guest->last_id;
    }
}

/* They talk on meanwhile: all that was said before the end of the fault is acked, and everybody is back. */
static bool has_recovered(void *data)
{
    struct scene *scene = data;

    for (int i = 0; i < SCENE_GUESTS; i++)
        if (scene->guests[i].owed > 0)
            return false;
    return all_are_live(scene) && all_are_ready(scene);
}

static bool is_all_acked(void *data)
{
    struct scene *scene = data;

    for (int i = 0; i < SCENE_GUESTS; i++)
        if (scene->guests[i].waiting)
            return false;
    return true;
}

static char *epoch_of(struct scene *scene, unsigned room)
{
    char *epoch = redis_cmd_text(scene->fleet.redis_port, "HGET rc:{%s}:meta epoch",
                                 scene_room(room));

    return epoch ? epoch : xstrdup("");
}

static bool has_settled(void *data)
{
    struct scene *scene = data;

    if (!all_are_live(scene))
        return false;
    for (unsigned r = 0; r < SCENE_ROOMS; r++) {
        char *epoch = epoch_of(scene, r);
        bool all = checker_has_all(scene->checker, scene_room(r), epoch);

        free(epoch);
        if (!all)
            return false;
    }
    return true;
}

/* What is wrong with the members in Redis, or NULL. */
static const char *roll_of(struct scene *scene)
{
    struct roll_entry entries[SCENE_GUESTS * SCENE_EACH];
    unsigned count = 0;

    for (int i = 0; i < SCENE_GUESTS; i++) {
        const struct scene_guest *guest = &scene->guests[i];
        unsigned g = 0;

        while (scene->fleet.gateways[g].port !=
               chat_client_address(guest->client)->port)
            g++;
        for (int r = 0; r < SCENE_EACH; r++)
            entries[count++] =
                (struct roll_entry){scene_room(guest->rooms[r]), guest->user, g};
    }
    return roll_why_not(
        &(struct roll){scene->fleet.redis_port, scene->cluster.count > 0, scene->pids,
                       SCENE_GATEWAYS, fleet_workers(), entries, count});
}

static bool is_roll_true(void *data)
{
    struct scene *scene = data;

    for (int g = 0; g < SCENE_GATEWAYS; g++)
        scene->pids[g] = scene->odd_pids[g] ? scene->odd_pids[g]
                                            : scene->fleet.gateways[g].process.pid;
    return all_are_live(scene) && roll_of(scene) == NULL;
}

static void print_row(const struct scene *scene)
{
    const char *path = getenv("ROOMCAST_FAULTS_TABLE");
    FILE *table = path ? fopen(path, "a") : NULL;
    char unready[32] = "-", row[256];

    if (scene->unready_ms >= 0)
        snprintf(unready, sizeof(unready), "%lld",
                 (long long)(scene->unready_ms - scene->begun_ms));
    snprintf(row, sizeof(row), "| %s | %llu | %llu | %llu | %llu | %s | %lld |\n",
             scene->name, (unsigned long long)scene->verdict.acked,
             (unsigned long long)scene->verdict.lost,
             (unsigned long long)scene->verdict.doubled,
             (unsigned long long)scene->verdict.gone, unready,
             (long long)(scene->recovered_ms - scene->mended_ms));
    print_message("  %s", row);
    if (!table)
        return;
    fputs(row, table);
    fclose(table);
}

static void judge(struct scene *scene)
{
    for (unsigned r = 0; r < SCENE_ROOMS; r++) {
        char *epoch = epoch_of(scene, r);

        checker_judge(scene->checker, scene_room(r), epoch, &scene->verdict);
        free(epoch);
    }
    print_row(scene);
    if (scene->verdict.lost || scene->verdict.doubled || scene->verdict.disordered)
        give_up(scene, "messages are lost, doubled or out of order");
}

void scene_recover(struct scene *scene)
{
    if (scene->recovered_ms >= 0)
        return;
    mend(scene);
    scene_run(scene, NOTICE_MS);
    if (!scene_run_until(scene, has_recovered, scene, SCENE_DEADLINE_MS))
        give_up(scene, "no recovery");
    scene->recovered_ms = wait_now_ms();
}

void scene_end(struct scene *scene)
{
    scene_recover(scene);
    uv_timer_stop(&scene->talk);
    /* A last word of each in each room, so that a hole at the end shows. */
    for (int i = 0; i < SCENE_GUESTS; i++)
        for (unsigned r = 0; r < SCENE_EACH; r++)
            say(&scene->guests[i], r);
    if (!scene_run_until(scene, is_all_acked, scene, SCENE_DEADLINE_MS))
        give_up(scene, "not all is acked");
    if (!scene_run_until(scene, has_settled, scene, SCENE_DEADLINE_MS)) {
        judge(scene); /* says what is missing */
        give_up(scene, "not everybody has everything");
    }
    uv_timer_stop(&scene->look);
    judge(scene);
    if (!scene_run_until(scene, is_roll_true, scene, SCENE_DEADLINE_MS))
        give_up(scene, roll_of(scene));
}

/* ---- beginning and end ---- */

static void open_gateways(struct scene *scene, const struct scene_opts *opts)
{
    char *place = opts->place ? opts->place(scene) : NULL;

    for (unsigned g = 0; g < SCENE_GATEWAYS; g++) {
        const char *settings[32] = {NULL};
        char url[64];
        unsigned n = 0;
        int port = port_take();

        if (opts->masters)
            snprintf(url, sizeof(url),
                     "ROOMCAST_REDIS_URL=redis+cluster://127.0.0.1:%d",
                     redis_cluster_port(&scene->cluster, 0));
        else
            snprintf(url, sizeof(url), "ROOMCAST_REDIS_URL=redis://127.0.0.1:%d", port);
        if (!opts->masters)
            scene->proxies[g] = proxy_open(port, scene->fleet.redis_port);
        settings[n++] = place ? place : url;
        for (const char *const *s = opts->settings; s && *s; s++)
            settings[n++] = *s;
        for (const char *const *s = opts->of_gateway[g]; s && *s; s++)
            settings[n++] = *s;
        fleet_add(&scene->fleet, settings);
    }
    free(place);
}

void scene_start(struct scene *scene, const struct scene_opts *opts)
{
    memset(scene, 0, sizeof(*scene));
    scene->name = "the start";
    fleet_start(&scene->fleet, &(struct fleet_opts){.redis_args = opts->redis_args});
    if (opts->masters) {
        redis_cmd_follow();
        redis_cluster_open(&scene->cluster, &(struct redis_cluster_opts){
                                                .masters = opts->masters,
                                                .replicas = 1,
                                                .args = opts->redis_args,
                                            });
        /* A replica knows as well who has what, and the faults are of masters. */
        scene->fleet.redis_port = redis_cluster_port(&scene->cluster, opts->masters);
    }
    open_gateways(scene, opts);
    scene->checker = checker_new();
    scene->text_bytes = 32;
    memcpy(scene->odd_pids, opts->odd_pids, sizeof(scene->odd_pids));
    uv_loop_init(&scene->loop);
    uv_timer_init(&scene->loop, &scene->talk);
    uv_timer_init(&scene->loop, &scene->look);
    scene->talk.data = scene->look.data = scene;
    for (unsigned i = 0; i < SCENE_GUESTS; i++)
        open_guest(scene, i);
    if (!scene_run_until(scene, everybody_is_in, scene, SCENE_DEADLINE_MS))
        give_up(scene, "not everybody gets in");
}

static bool all_are_closed(void *data)
{
    return ((struct scene *)data)->closed == SCENE_GUESTS;
}

void scene_stop(struct scene *scene)
{
    for (int i = 0; i < SCENE_GUESTS; i++)
        chat_client_close(scene->guests[i].client);
    assert_true(scene_run_until(scene, all_are_closed, scene, SCENE_DEADLINE_MS));
    uv_close((uv_handle_t *)&scene->talk, NULL);
    uv_close((uv_handle_t *)&scene->look, NULL);
    loop_close(&scene->loop);
    fleet_stop(&scene->fleet);
    for (int g = 0; g < SCENE_GATEWAYS; g++)
        if (scene->proxies[g])
            proxy_close(scene->proxies[g]);
    if (scene->cluster.count > 0)
        redis_cluster_close(&scene->cluster);
    for (int i = 0; i < SCENE_GUESTS; i++)
        free(scene->guests[i].said);
    checker_free(scene->checker);
}
