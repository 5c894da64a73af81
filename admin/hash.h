/* hash.h - `roomcast-admin hash NAME ROLE [UNTIL]`: a new token for an operator, and its line of
 * ROOMCAST_ADMIN_TOKENS_FILE. */
#ifndef ADMIN_HASH_H
#define ADMIN_HASH_H

/* `words` are those behind `hash`. What main returns. */
int hash_command(int count, char **words);

#endif
