/* user_limit.c - see user_limit.h.
 *
 *     user_limit_enter -> on_entered -> ask_for_nodes -> on_node, each -> settle -> order
 *     user_limit_leave -> on_left <- user_limit_go_on
 */
#include "gateway/user_limit.h"

#include <stdlib.h>
#include <string.h>

#include "common/digits.h"
#include "common/intake.h"
#include "common/map.h"
#include "common/reply.h"
#include "common/xalloc.h"

enum {
    KEEP_MS = 24 * 3600 * 1000,
    LEFT_MAX = 65536,   /* remembered while Redis is away */
    ENTRIES_MAX = 4096, /* as user.lua has it */
};

static struct store *find_store(const struct user_limit *limit, struct json_text user)
{
    return limit->find_store(limit->owner, user);
}

void user_limit_init(struct user_limit *limit, const struct config *config)
{
    limit->most = (uint32_t)config->user_connections_max;
    list_init(&limit->left);
}

/* ---- what stands in Redis ---- */

/* `<node> <serial>` */
static void add_entry(struct args *args, const char *node, uint64_t serial)
{
    strbuf_reset(&args->scratch, 4096);
    strbuf_add_format(&args->scratch, "%s %llu", node, (unsigned long long)serial);
    redis_command_add(&args->cmd, args->scratch.data, args->scratch.len);
}

struct entry {
    struct entry *first; /* of this node: itself, or an earlier one */
    uint64_t serial;
    bool is_gone; /* the node; of the first */
    char node[STORE_NODE_MAX];
};

static bool is_gone(const struct entry *entry)
{
    return entry->first->is_gone;
}

static bool parse_entry(struct json_text text, struct metrics *metrics,
                        struct entry *out)
{
    const char *space = memchr(text.base, ' ', text.len);
    struct json_text node = {text.base, space ? (size_t)(space - text.base) : 0};

    if (!space || !intake_node(metrics, "user_conns", node) ||
        !digits_parse(space + 1, text.len - node.len - 1, UINT64_MAX, &out->serial))
        return false;
    memcpy(out->node, node.base, node.len);
    out->node[node.len] = '\0';
    out->is_gone = false;
    return true;
}

/* ---- one too many ---- */

struct over {
    struct user_limit *limit;
    struct store *store;
    size_t waiting; /* answers */
    bool has_failed;
    size_t count;
    struct entry *entries; /* the oldest first */
    size_t user_len;
    char user[];
};

struct question {
    struct over *over;
    struct entry *entry; /* whose node it is about */
};

static void free_over(struct over *over)
{
    free(over->entries);
    free(over);
}

static struct json_text user_of(const struct over *over)
{
    return (struct json_text){over->user, over->user_len};
}

/* By the channel of the node that has it, which may be this one. */
static void order(struct over *over, const struct entry *entry)
{
    struct store *store = over->store;
    struct strbuf text = {NULL, 0, 0}, whole = {NULL, 0, 0};

    strbuf_add_format(&text, "%llu ", (unsigned long long)entry->serial);
    strbuf_add(&text, over->user, over->user_len);
    strbuf_add_text(&whole, "replaced ");
    strbuf_add_percent(&whole, text.data, text.len);
    args_begin_publish(&store->args);
    args_add_node_key(&store->args, entry->node, KEY_NODE_CANARY);
    redis_command_add(&store->args.cmd, whole.data, whole.len);
    store_send_command(store, NULL, NULL);
    strbuf_deinit(&whole);
    strbuf_deinit(&text);
}

static void remove_gone(struct over *over)
{
    struct args *args = &over->store->args;
    bool has_begun = false;

    for (size_t i = 0; i < over->count; i++) {
        if (!is_gone(&over->entries[i]))
            continue;
        if (!has_begun) {
            redis_command_begin(&args->cmd);
            redis_command_add_text(&args->cmd, "ZREM");
            args_add_user_conns(args, user_of(over));
        }
        has_begun = true;
        add_entry(args, over->entries[i].node, over->entries[i].serial);
    }
    if (has_begun)
        store_send_command(over->store, NULL, NULL);
}

/* It is known whose node is gone, or Redis is away. */
static void settle(struct over *over)
{
    size_t live = 0;

    if (over->has_failed) {
        free_over(over);
        return;
    }
    remove_gone(over);
    for (size_t i = 0; i < over->count; i++)
        live += !is_gone(&over->entries[i]);
    for (size_t i = 0; i < over->count && live > over->limit->most; i++) {
        if (is_gone(&over->entries[i]))
            continue;
        order(over, &over->entries[i]);
        live--;
    }
    free_over(over);
}

static void on_node(void *data, int status, const redisReply *reply)
{
    struct question *question = data;
    struct over *over = question->over;

    over->has_failed |= status != 0;
    question->entry->is_gone = status == 0 && reply_is_value(reply, 0);
    free(question);
    if (--over->waiting == 0)
        settle(over);
}

static void ask_for_node(struct over *over, struct entry *entry)
{
    struct args *args = &over->store->args;
    struct question *question = xmalloc(sizeof(*question));

    *question = (struct question){over, entry};
    over->waiting++;
    redis_command_begin(&args->cmd);
    redis_command_add_text(&args->cmd, "EXISTS");
    args_add_node_key(args, entry->node, KEY_NODE);
    store_send_command(over->store, on_node, question);
}

/* Once for each; this one is not gone. */
static void ask_for_nodes(struct over *over)
{
    for (size_t i = 0; i < over->count; i++) {
        struct entry *entry = &over->entries[i];

        if (entry->first == entry && strcmp(entry->node, over->store->node) != 0)
            ask_for_node(over, entry);
    }
    if (over->waiting == 0)
        settle(over);
}

/* ---- coming ---- */

struct call {
    struct user_limit *limit;
    struct store *store;
    size_t user_len;
    char user[];
};

static void read_entries(struct over *over, const redisReply *reply)
{
    size_t count = reply_count(reply);
    struct map nodes = {NULL, 0, 0}; /* name -> its first entry */

    over->entries = xcalloc(count, sizeof(*over->entries));
    for (size_t i = 0; i < count; i++) {
        struct entry *entry = &over->entries[over->count];

        if (!parse_entry(reply_text(reply, i), over->store->metrics, entry))
            continue;
        over->count++;
        entry->first = map_find(&nodes, entry->node, strlen(entry->node));
        if (entry->first)
            continue;
        entry->first = entry;
        map_add(&nodes, entry->node, strlen(entry->node), entry);
    }
    map_deinit(&nodes);
}

static void on_entered(void *data, int status, const redisReply *reply)
{
    struct call *call = data;
    struct over *over;

    if (status == 0 && reply_count(reply) > 0 && reply_count(reply) <= ENTRIES_MAX) {
        over = xcalloc(1, sizeof(*over) + call->user_len);
        over->limit = call->limit;
        over->store = call->store;
        over->user_len = call->user_len;
        memcpy(over->user, call->user, call->user_len);
        read_entries(over, reply);
        ask_for_nodes(over);
    }
    free(call);
}

uint64_t user_limit_enter(struct user_limit *limit, struct json_text user)
{
    struct store *store = limit->most > 0 ? find_store(limit, user) : NULL;
    struct call *call;

    if (!store)
        return 0;
    call = xmalloc(sizeof(*call) + user.len);
    *call = (struct call){limit, store, user.len};
    memcpy(call->user, user.base, user.len);
    limit->serial++;
    scripts_begin(&store->args.cmd, SCRIPT_USER, 1);
    args_add_user_conns(&store->args, user);
    add_entry(&store->args, store->node, limit->serial);
    redis_command_add_u64(&store->args.cmd, limit->most);
    redis_command_add_u64(&store->args.cmd, KEEP_MS);
    store_send_script(store, SCRIPT_USER, on_entered, call);
    return limit->serial;
}

/* ---- going ---- */

struct left {
    struct user_limit *limit;
    struct list link; /* in limit->left while Redis is away */
    uint64_t serial;
    size_t user_len;
    char user[];
};

static void drop_left(struct left *left)
{
    list_remove(&left->link);
    left->limit->left_count--;
    free(left);
}

static void keep(struct left *left)
{
    struct user_limit *limit = left->limit;

    limit->left_count++;
    list_add(&limit->left, &left->link);
    if (limit->left_count > LEFT_MAX)
        drop_left(list_entry(list_first(&limit->left), struct left, link));
}

static void on_left(void *data, int status, const redisReply *reply)
{
    (void)reply;
    if (status < 0 && status != UV_EREMOTEIO)
        keep(data);
    else
        free(data);
}

/* Under the name that the node has: what stands under an earlier one is gone with that. */
static void remove_conn(struct left *left)
{
    const struct json_text user = {left->user, left->user_len};
    struct store *store = find_store(left->limit, user);

    if (!store) {
        keep(left);
        return;
    }
    redis_command_begin(&store->args.cmd);
    redis_command_add_text(&store->args.cmd, "ZREM");
    args_add_user_conns(&store->args, user);
    add_entry(&store->args, store->node, left->serial);
    store_send_command(store, on_left, left);
}

void user_limit_leave(struct user_limit *limit, struct json_text user, uint64_t serial)
{
    struct left *left = xmalloc(sizeof(*left) + user.len);

    *left = (struct left){.limit = limit, .serial = serial, .user_len = user.len};
    memcpy(left->user, user.base, user.len);
    list_init(&left->link);
    remove_conn(left);
}

void user_limit_go_on(struct user_limit *limit)
{
    struct list now, *link;

    list_take_all(&now, &limit->left);
    limit->left_count = 0;
    while ((link = list_first(&now))) {
        list_remove(link);
        remove_conn(list_entry(link, struct left, link));
    }
}

void user_limit_deinit(struct user_limit *limit)
{
    struct list *link;

    while ((link = list_first(&limit->left)))
        drop_left(list_entry(link, struct left, link));
}

bool user_limit_parse_order(struct json_text order, uint64_t *serial,
                            struct json_text *user)
{
    const char *space = memchr(order.base, ' ', order.len);
    size_t digits = space ? (size_t)(space - order.base) : 0;

    if (!space)
        return false;
    *user = (struct json_text){space + 1, order.len - digits - 1};
    return digits_parse(order.base, digits, UINT64_MAX, serial) &&
           proto_is_name(user->base, user->len, PROTO_USER_MAX);
}
