/* term_keys.h - what is typed: the line is edited, pages and rooms are turned. */
#ifndef CLIENT_TERM_KEYS_H
#define CLIENT_TERM_KEYS_H

#include "client/term_session.h"

/* Takes all that has been typed. */
void term_keys_take(struct term_session *session);

#endif
