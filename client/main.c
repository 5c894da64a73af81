/* main.c - roomcast, the chat client for a terminal: settings -> screen or lines -> exit code;
 * no logic.
 */
#include <assert.h>
#include <stdio.h>

#include <uv.h>

#include "client/plain.h"
#include "client/term.h"
#include "client/term_options.h"
#include "client/text.h"
#include "common/descriptors.h"

static int run(const struct term_options *options)
{
    uv_loop_t loop;
    int code;

    if (!text_use_locale()) {
        fprintf(stderr, "LC_CTYPE: there is no UTF-8 locale, not even C.UTF-8\n");
        return TERM_BAD_USAGE;
    }
    uv_loop_init(&loop);
    code = options->is_plain ? plain_run(&loop, options) : term_run(&loop, options);
    assert(uv_loop_close(&loop) == 0);
    return code;
}

int main(int argc, char **argv)
{
    struct term_options options = {0};
    enum term_outcome outcome;
    int code;

    descriptors_open_standard();
    outcome = term_options_load(&options, argc, argv);
    code = outcome == TERM_EXIT_BAD ? TERM_BAD_USAGE : TERM_DONE;
    if (outcome == TERM_RUN)
        code = run(&options);
    term_options_deinit(&options);
    return code;
}
