/* outgoing.c - see outgoing.h. */
#include "client/outgoing.h"

#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"

static struct outgoing_entry *entry_of(struct list *link)
{
    return list_entry(link, struct outgoing_entry, link);
}

void outgoing_init(struct outgoing *o)
{
    *o = (struct outgoing){.count = 0};
    list_init(&o->entries);
}

void outgoing_deinit(struct outgoing *o)
{
    list_each(link, &o->entries) {
        outgoing_discard(o, entry_of(link));
    }
}

void outgoing_say(struct outgoing *o, uint64_t id, const char *text, size_t len)
{
    struct outgoing_entry *entry = xcalloc(1, sizeof(*entry));

    entry->id = id;
    entry->text = xmemdup(text, len);
    list_add(&o->entries, &entry->link);
    o->count++;
}

struct outgoing_entry *outgoing_find(const struct outgoing *o, uint64_t id)
{
    list_each(link, &o->entries) {
        if (entry_of(link)->id == id)
            return entry_of(link);
    }
    return NULL;
}

static void set_state(struct outgoing *o, struct outgoing_entry *entry,
                      enum outgoing_state state)
{
    o->sent -= entry->state == OUTGOING_SENT;
    o->sent += state == OUTGOING_SENT;
    entry->state = state;
}

void outgoing_discard(struct outgoing *o, struct outgoing_entry *entry)
{
    set_state(o, entry, OUTGOING_ACKED);
    o->count--;
    list_remove(&entry->link);
    free(entry->text);
    free(entry);
}

/* ---- what is sent ---- */

struct outgoing_entry *outgoing_due(const struct outgoing *o, size_t most)
{
    if (most && o->sent >= most)
        return NULL;
    list_each(link, &o->entries) {
        if (entry_of(link)->state == OUTGOING_WAITING)
            return entry_of(link);
    }
    return NULL;
}

void outgoing_on_sent(struct outgoing *o, struct outgoing_entry *entry)
{
    set_state(o, entry, OUTGOING_SENT);
    entry->times++;
}

void outgoing_again(struct outgoing *o, struct outgoing_entry *entry)
{
    set_state(o, entry, OUTGOING_WAITING);
}

void outgoing_on_lost(struct outgoing *o)
{
    list_each(link, &o->entries) {
        if (entry_of(link)->state == OUTGOING_SENT)
            outgoing_again(o, entry_of(link));
    }
}

struct outgoing_entry *outgoing_longest_sent(const struct outgoing *o)
{
    struct outgoing_entry *longest = NULL;

    list_each(link, &o->entries) {
        struct outgoing_entry *entry = entry_of(link);

        if (entry->state == OUTGOING_SENT &&
            (!longest || strlen(entry->text) > strlen(longest->text)))
            longest = entry;
    }
    return longest;
}

/* ---- what is shown ---- */

void outgoing_on_ack(struct outgoing *o, uint64_t id, uint64_t seq, bool comes)
{
    struct outgoing_entry *entry = outgoing_find(o, id);

    if (!entry)
        return;
    if (!comes) {
        outgoing_discard(o, entry);
        return;
    }
    set_state(o, entry, OUTGOING_ACKED);
    entry->seq = seq;
    entry->came_as = 0; /* that was another one */
}

void outgoing_on_message(struct outgoing *o, const char *text, uint64_t seq)
{
    struct outgoing_entry *first = NULL;

    list_each(link, &o->entries) {
        struct outgoing_entry *entry = entry_of(link);

        if (entry->state == OUTGOING_ACKED && entry->seq == seq) {
            outgoing_discard(o, entry);
            return;
        }
        if (!first && entry->state != OUTGOING_ACKED && entry->came_as == 0)
            first = entry;
    }
    if (first && strcmp(first->text, text) == 0)
        first->came_as = seq;
}

void outgoing_on_new_epoch(struct outgoing *o)
{
    list_each(link, &o->entries) {
        struct outgoing_entry *entry = entry_of(link);

        entry->came_as = 0;
        if (entry->state == OUTGOING_ACKED)
            outgoing_discard(o, entry);
    }
}

char *outgoing_on_refused(struct outgoing *o, uint64_t id)
{
    struct outgoing_entry *entry = outgoing_find(o, id);
    char *text = entry ? entry->text : NULL;

    if (!entry)
        return NULL;
    entry->text = NULL;
    outgoing_discard(o, entry);
    return text;
}
