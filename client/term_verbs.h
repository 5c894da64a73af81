/* term_verbs.h - lines that are entered: said, or a command of term_command.h. */
#ifndef CLIENT_TERM_VERBS_H
#define CLIENT_TERM_VERBS_H

#include "client/term_session.h"

/* Takes the line that is being written, which is empty then; an unknown command stays. */
void term_verbs_enter(struct term_session *session);

#endif
