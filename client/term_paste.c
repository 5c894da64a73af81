/* term_paste.c - see term_paste.h.
 *
 *     begin_paste -> take_paste_key ... -> end_paste -> (a question) -> take_answer -> say_paste
 */
#include "client/term_paste.h"

#include <stdio.h>
#include <string.h>

static size_t count_lines(const struct strbuf *text)
{
    size_t count = 0;

    for (size_t at = 0; at < text->len;) {
        size_t len = strcspn(text->data + at, "\n");

        count += len > 0;
        at += len + 1;
    }
    return count;
}

static void end_paste(struct term_session *session)
{
    struct strbuf *paste = &session->paste;

    session->is_pasting = false;
    session->paste_lines = session->is_paste_too_long ? 0 : count_lines(paste);
    if (session->is_paste_too_long)
        term_session_warn(session, "this paste is too long; nothing of it was taken");
    if (session->paste_lines > 1) {
        snprintf(session->question, sizeof(session->question),
                 "%zu lines pasted: Enter says them one by one, Esc drops them ",
                 session->paste_lines);
        return;
    }
    while (paste->len > 0 && paste->data[paste->len - 1] == '\n')
        paste->len--;
    if (session->paste_lines == 1) {
        const char *from = paste->data + strspn(paste->data, "\n");

        if (!line_edit_insert(&term_session_room(session)->draft, from,
                              paste->len - (size_t)(from - paste->data)))
            term_session_warn(session, "this line is too long");
    }
    session->paste_lines = 0;
    strbuf_reset(paste, 0);
}

static void take_paste_key(struct term_session *session,
                           const struct screen_input *input)
{
    const char *text = input->key == SCREEN_TEXT    ? input->text
                       : input->key == SCREEN_ENTER ? "\n"
                       : input->key == SCREEN_TAB   ? "\t"
                                                    : "";

    if (input->key == SCREEN_PASTE_END) {
        end_paste(session);
        return;
    }
    if (session->paste.len + strlen(text) > TERM_PASTE_MAX_BYTES)
        session->is_paste_too_long = true;
    else
        strbuf_add_text(&session->paste, text);
}

static void say_paste(struct term_session *session)
{
    const char *at = session->paste.data;

    while (*at) {
        size_t len = strcspn(at, "\n");

        if (len > 0 && !term_session_say(session, at, len)) {
            term_session_warn(session, "not said: you are not in this room");
            break;
        }
        at += len + (at[len] != '\0');
    }
    term_session_room(session)->view = (struct view){0, 0};
}

/* The answer to the question. */
static void take_answer(struct term_session *session, const struct screen_input *input)
{
    bool yes = input->key == SCREEN_ENTER || strcmp(input->text, "y") == 0;

    if (!yes && input->key != SCREEN_ESCAPE && strcmp(input->text, "n") != 0)
        return;
    if (yes)
        say_paste(session);
    session->paste_lines = 0;
    strbuf_reset(&session->paste, 0);
}

static void begin_paste(struct term_session *session)
{
    strbuf_reset(&session->paste, 0);
    session->paste_lines = 0;
    session->is_pasting = true;
    session->is_paste_too_long = false;
}

bool term_paste_take(struct term_session *session, const struct screen_input *input)
{
    if (input->key == SCREEN_PASTE_BEGIN)
        begin_paste(session);
    else if (session->is_pasting)
        take_paste_key(session, input);
    else if (session->paste_lines > 0)
        take_answer(session, input);
    else
        return false;
    return true;
}
