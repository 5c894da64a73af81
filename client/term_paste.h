/* term_paste.h - what is pasted: one line is put into the line that is being written; of more
 * lines the user is asked, and then they are said one by one, as text: a paste runs no commands.
 */
#ifndef CLIENT_TERM_PASTE_H
#define CLIENT_TERM_PASTE_H

#include <stdbool.h>

#include "client/screen.h"
#include "client/term_session.h"

enum { TERM_PASTE_MAX_BYTES = 8 * 1024 * 1024 };

/* Takes a key that is of a paste, or the answer to its question. False: it is neither. */
bool term_paste_take(struct term_session *session, const struct screen_input *input);

#endif
