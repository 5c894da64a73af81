/* shards_fence.c - a Redis Cluster that rooms are being moved to or from, or have been moved from
 * (roomcast-admin --move-rooms), has a mark with the registry of its first shard (shard_mark.h): nothing is
 * written to it then.
 *
 *     UNKNOWN -> GET of the mark -> OPEN: there is none, or that of a cluster in use
 *      ^ |                       -> CLOSED
 *      | +---- WAIT_MS ---------> OPEN
 *      +------ this process stood still for a lease: others may have taken it for dead, and moved the rooms
 *
 * Asked again each second, in whichever state.
 *
 * While the first shard has no master it cannot be asked, and the others must not wait for that.
 */
#include "gateway/shards.h"

#include "common/reply.h"
#include "gateway/args.h"

enum { WAIT_MS = 3000, AGAIN_MS = 1000 };

/* The one function that changes the state. */
static void set_state(struct shards *shards, enum fence_state state, unsigned word)
{
    struct fence *fence = &shards->fence;

    atomic_store_explicit(&fence->word, word, memory_order_relaxed);
    if (fence->state == state)
        return;
    fence->state = state;
    for (unsigned i = 0; i < shards->count; i++)
        shard_allow(&shards->all[i], state == FENCE_OPEN);
}

/* The word of a mark that closes; 0: it does not. */
static unsigned closing_word(struct json_text text)
{
    char id[SHARD_MARK_ID_LEN + 1];
    unsigned number, count;

    return shard_mark_read(text, id, &number, &count) ? 0 : number;
}

static void on_mark(void *data, int status, const redisReply *reply)
{
    struct shards *shards = data;
    unsigned word;

    shards->fence.is_asking = false;
    if (shards->is_closing || (status < 0 && status != UV_EREMOTEIO))
        return;
    word = status == 0 ? closing_word(reply_string(reply)) : 0;
    set_state(shards, word ? FENCE_CLOSED : FENCE_OPEN, word);
}

static void ask(struct shards *shards)
{
    struct store *store = &shards->all[0].store;

    shards->fence.is_asking = true;
    redis_command_begin(&store->args.cmd);
    redis_command_add_text(&store->args.cmd, "GET");
    args_add_fleet_key(&store->args, KEY_SHARD);
    store_send_command(store, on_mark, shards);
}

static uint64_t lease_ms(const struct shards *shards)
{
    return (uint64_t)shards->all[0].opts.config->lease_ms;
}

void shards_tick_fence(struct shards *shards, uint64_t now_ms)
{
    struct fence *fence = &shards->fence;

    if (fence->begun_ms == 0 || now_ms - fence->ticked_ms >= lease_ms(shards)) {
        fence->begun_ms = now_ms;
        fence->asked_ms = 0;
        set_state(shards, FENCE_UNKNOWN, 0);
    }
    fence->ticked_ms = now_ms;
    if (fence->state == FENCE_UNKNOWN && now_ms - fence->begun_ms >= WAIT_MS)
        set_state(shards, FENCE_OPEN, 0);
    if (fence->is_asking || !redis_link_is_ready(store_link(&shards->all[0].store)) ||
        (fence->asked_ms > 0 && now_ms - fence->asked_ms < AGAIN_MS))
        return;
    fence->asked_ms = now_ms;
    ask(shards);
}

bool shards_print_fence(const struct shards *shards, unsigned number,
                        struct strbuf *out)
{
    unsigned word = atomic_load_explicit((_Atomic unsigned *)&shards->fence.word,
                                         memory_order_relaxed);

    if (word)
        shard_mark_print_wrong(out, number, shards->count, word, 0);
    return word != 0;
}
