/* rights.h - whether Redis lets this user do all that gateways and admin service need. */
#ifndef COMMON_RIGHTS_H
#define COMMON_RIGHTS_H

#include "common/redis_link.h"

/* Asks, and warns with the names of the commands that are refused: once a process. */
void rights_ask(struct redis_link *link, int db);

#endif
