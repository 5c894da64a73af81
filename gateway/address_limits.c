/* address_limits.c - see address_limits.h. */
#include "gateway/address_limits.h"

#include <assert.h>
#include <stdlib.h>

#include "common/xalloc.h"

enum { V6_BITS = 64 };

struct address_entry {
    struct address key;
    uint32_t counts[ADDRESS_PLACES];
    struct token_bucket connects;
    struct list idle;
};

void address_limits_init(struct address_limits *limits, const struct config *config)
{
    *limits = (struct address_limits){
        .pending_max = (uint32_t)config->address_pending_max,
        .connections_max = (uint32_t)config->address_connections_max,
        .addresses_max = ADDRESS_LIMITS_MAX,
        .rate = {(uint32_t)config->address_connects_per_sec,
                 (uint32_t)config->address_connects_burst},
    };
    list_init(&limits->idle);
    if (uv_mutex_init(&limits->mutex) != 0)
        abort();
}

bool address_limits_are_on(const struct address_limits *limits)
{
    return limits->pending_max > 0 || limits->connections_max > 0 ||
           limits->rate.per_sec > 0;
}

static void drop(struct address_limits *limits, struct address_entry *entry)
{
    map_remove(&limits->entries, (const char *)entry->key.bytes, ADDRESS_BYTES);
    list_remove(&entry->idle);
    free(entry);
}

void address_limits_deinit(struct address_limits *limits)
{
    struct list *link;

    while ((link = list_first(&limits->idle)))
        drop(limits, list_entry(link, struct address_entry, idle));
    assert(limits->entries.count == 0);
    map_deinit(&limits->entries);
    uv_mutex_destroy(&limits->mutex);
}

static struct address key_of(const struct address *address)
{
    struct address key = *address;

    if (!address_is_v4(&key))
        address_cut(&key, V6_BITS);
    return key;
}

static bool make_room(struct address_limits *limits)
{
    struct list *link = list_first(&limits->idle);

    if (limits->entries.count < limits->addresses_max)
        return true;
    if (!link)
        return false;
    drop(limits, list_entry(link, struct address_entry, idle));
    return true;
}

/* NULL: all addresses in the table have connections, and there is no room for another. */
static struct address_entry *find_or_add(struct address_limits *limits,
                                         const struct address *key)
{
    struct address_entry *entry =
        map_find(&limits->entries, (const char *)key->bytes, ADDRESS_BYTES);

    if (entry || !make_room(limits))
        return entry;
    entry = xcalloc(1, sizeof(*entry));
    entry->key = *key;
    list_init(&entry->idle);
    map_add(&limits->entries, (const char *)entry->key.bytes, ADDRESS_BYTES, entry);
    return entry;
}

/* The clocks of two workers that come here one after the other may be the other way round. */
static uint32_t move_clock(struct address_limits *limits, uint32_t now_ms)
{
    if ((int32_t)(now_ms - limits->now_ms) > 0)
        limits->now_ms = now_ms;
    return limits->now_ms;
}

static bool may_enter(struct address_limits *limits, struct address_entry *entry,
                      uint32_t now_ms, enum refused_connect *why)
{
    uint32_t pending = entry->counts[ADDRESS_PENDING];

    *why = REFUSED_PENDING;
    if (limits->pending_max > 0 && pending >= limits->pending_max)
        return false;
    *why = REFUSED_CONNECTIONS;
    if (limits->connections_max > 0 &&
        pending + entry->counts[ADDRESS_SETTLED] >= limits->connections_max)
        return false;
    *why = REFUSED_RATE;
    return token_bucket_take(&entry->connects, &limits->rate, now_ms) == 0;
}

static void note_if_idle(struct address_limits *limits, struct address_entry *entry)
{
    for (int i = 0; i < ADDRESS_PLACES; i++)
        if (entry->counts[i] > 0)
            return;
    list_add(&limits->idle, &entry->idle);
}

/* Counts the connection; NULL: it is one refused too many. */
static struct address_entry *place(struct address_limits *limits,
                                   struct address_entry *entry, bool may)
{
    list_remove(&entry->idle);
    if (may) {
        entry->counts[ADDRESS_PENDING]++;
    } else if (entry->counts[ADDRESS_REFUSED] < ADDRESS_LIMITS_REFUSED) {
        entry->counts[ADDRESS_REFUSED]++;
    } else {
        note_if_idle(limits, entry);
        return NULL;
    }
    return entry;
}

bool address_limits_enter(struct address_limits *limits, const struct address *address,
                          uint32_t now_ms, struct address_entry **entry,
                          enum refused_connect *why)
{
    struct address key = key_of(address);
    bool may = true;

    uv_mutex_lock(&limits->mutex);
    now_ms = move_clock(limits, now_ms);
    *entry = find_or_add(limits, &key);
    if (*entry) {
        may = may_enter(limits, *entry, now_ms, why);
        *entry = place(limits, *entry, may);
    }
    uv_mutex_unlock(&limits->mutex);
    return may;
}

void address_limits_settle(struct address_limits *limits, struct address_entry *entry)
{
    uv_mutex_lock(&limits->mutex);
    assert(entry->counts[ADDRESS_PENDING] > 0);
    entry->counts[ADDRESS_PENDING]--;
    entry->counts[ADDRESS_SETTLED]++;
    uv_mutex_unlock(&limits->mutex);
}

void address_limits_leave(struct address_limits *limits, struct address_entry *entry,
                          enum address_place from)
{
    uv_mutex_lock(&limits->mutex);
    assert(entry->counts[from] > 0);
    entry->counts[from]--;
    note_if_idle(limits, entry);
    uv_mutex_unlock(&limits->mutex);
}
