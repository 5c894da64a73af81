/* orders.h - a word to each node of the fleet, by its canary's channel: once, and without looking who
 * has heard it. For what nodes find out by their heartbeat as well. */
#ifndef ADMIN_ORDERS_H
#define ADMIN_ORDERS_H

struct api;

/* `text` is copied. */
void orders_send(struct api *api, const char *text);

#endif
