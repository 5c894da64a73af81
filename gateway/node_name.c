/* node_name.c - see node_name.h. */
#include "gateway/node_name.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "common/log.h"
#include "gateway/args.h"

enum { FORMER_ROOMS = 500 /* a command */ };

void node_name_init(struct node_name *name, struct store *store, struct bus *bus,
                    struct rooms *rooms, unsigned worker)
{
    *name = (struct node_name){
        .store = store, .bus = bus, .rooms = rooms, .worker = worker};
}

void node_name_deinit(struct node_name *name)
{
    strbuf_deinit(&name->former_rooms);
}

bool node_name_is_chosen(const struct node_name *name)
{
    return name->store->node[0] != '\0';
}

void node_name_choose(struct node_name *name)
{
    struct store *store = name->store;
    char host[256] = "gateway";
    uint32_t random = 0;

    gethostname(host, sizeof(host) - 1);
    for (char *c = host; *c; c++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-",
                    *c))
            *c = '-';
    if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
        abort();
    snprintf(store->node, sizeof(store->node), "%s-%d-%08x.%u", host, (int)getpid(),
             random, name->worker);
    name->is_known = false;
    bus_set_node(name->bus, store->node);
}

/* ---- the former one ---- */

/* A Redis that lost the old name also lost in which rooms it is, but may have been told of
 * members under it since. */
static void note_rooms(struct node_name *name)
{
    struct room *room;
    uint32_t at = 0;

    strbuf_reset(&name->former_rooms, 4096);
    while ((room = map_next(&name->rooms->map, &at))) {
        strbuf_add_char(&name->former_rooms, (char)room->name_len);
        strbuf_add(&name->former_rooms, room->name, room->name_len);
    }
}

static void tell_rooms(struct node_name *name)
{
    struct args *args = &name->store->args;
    const char *at = name->former_rooms.data, *end = at + name->former_rooms.len;

    while (at < end) {
        redis_command_begin(&args->cmd);
        redis_command_add_text(&args->cmd, "SADD");
        args_add_node_key(args, name->former, KEY_NODE_ROOMS);
        for (int i = 0; i < FORMER_ROOMS && at < end; i++) {
            redis_command_add(&args->cmd, at + 1, (unsigned char)*at);
            at += 1 + (unsigned char)*at;
        }
        store_send_command(name->store, NULL, NULL);
    }
    strbuf_reset(&name->former_rooms, 0);
}

void node_name_note_former(struct node_name *name)
{
    memcpy(name->former, name->store->node, sizeof(name->former));
    note_rooms(name);
}

void node_name_replace(struct node_name *name, const char *why)
{
    node_name_choose(name);
    log_warn("node_renamed", "was=%s now=%s why=\"%s\"", name->former,
             name->store->node, why);
    metric_add(&name->store->metrics->nodes_renamed_total, 1);
    rooms_on_renamed(name->rooms);
}

void node_name_reap_former(struct node_name *name, struct reaper *reaper)
{
    if (!name->former[0] || reaper_is_busy(reaper) || !rooms_are_synced(name->rooms))
        return;
    tell_rooms(name);
    reaper_start(reaper, (struct json_text){name->former, strlen(name->former)}, 0);
    name->former[0] = '\0';
}
