/* orders.h - a word to each node of the fleet, by its canary's channel. */
#ifndef ADMIN_ORDERS_H
#define ADMIN_ORDERS_H

#include <stdbool.h>
#include <stddef.h>

struct api;

/* Once, and without looking who has heard it: for what nodes find out by their heartbeat as well. `text` is
 * copied. */
void orders_send(struct api *api, const char *text);

/* The nodes that have heard it, and the names of those that had not by then, borrowed. is_known false: the
 * fleet could not be read, and nobody was told. */
struct orders_told {
    bool is_known;
    size_t heard;
    char *const *pending;
    size_t pending_count;
};
typedef void (*orders_told_fn)(void *data, const struct orders_told *told);

/* Tells the nodes that are not silent, and those again that have not heard it, two seconds at most: a node's
 * subscription may just be cut. on_told comes once, never from inside. */
void orders_tell(struct api *api, const char *text, orders_told_fn on_told, void *data);

#endif
