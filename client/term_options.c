/* term_options.c - see term_options.h.
 *
 * The table of the terminal client, for common/settings.h, and what is peculiar to it: the
 * addresses, the user's name, the rooms.
 */
#include "client/term_options.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/proto.h"
#include "common/settings.h"
#include "common/xalloc.h"

enum {
    NAME_MAX_BYTES = 64,
    ROOM_MAX_BYTES = 128,
    HTTP_PORT = 80,
    TOKEN_BYTES_MAX = 8192, /* SPEC-PUBLIC P1 */
};

static const char *parse_port(struct connection_address *address, const char *at,
                              const char *end)
{
    long port = 0;

    if (at == end) {
        address->port = HTTP_PORT;
        return NULL;
    }
    for (at++; at < end && *at >= '0' && *at <= '9' && port < 65536; at++)
        port = port * 10 + *at - '0';
    address->port = (int)port;
    return at == end && port >= 1 && port <= 65535 ? NULL
                                                   : "the port must be 1 to 65535";
}

/* Where the host ends, from `at` on; NULL: it is none. */
static const char *take_host(struct connection_address *address, const char *at,
                             const char *end)
{
    bool is_ipv6 = at < end && *at == '[';
    const char *close = memchr(at, is_ipv6 ? ']' : ':', (size_t)(end - at));

    if (is_ipv6 && (!close || (close + 1 < end && close[1] != ':')))
        return NULL;
    if (!close)
        close = end;
    at += is_ipv6;
    address->host = xmemdup(at, (size_t)(close - at));
    return close > at ? close + is_ipv6 : NULL;
}

const char *term_options_parse_url(struct connection_address *address, const char *url,
                                   size_t len)
{
    static const char form[] = "must be ws://HOST[:PORT][/PATH]";
    const char *end = url + len, *path, *port;

    for (size_t i = 0; i < len; i++)
        if (url[i] <= ' ' || url[i] > '~')
            return "has a character that no address has";
    if (len >= 6 && memcmp(url, "wss://", 6) == 0)
        return "wss:// needs TLS, which this client cannot do: use ws://, through a "
               "tunnel if need be";
    if (len < 6 || memcmp(url, "ws://", 5) != 0)
        return form;
    path = memchr(url + 5, '/', len - 5);
    if (!path)
        path = end;
    port = take_host(address, url + 5, path);
    if (!port)
        return form;
    address->path = path < end ? xmemdup(path, (size_t)(end - path)) : xstrdup("/ws");
    return parse_port(address, port, path);
}

static const char *check_url(void *target, const char *url)
{
    struct term_options *options = target;

    if (options->address_count == TERM_OPTIONS_URLS_MAX)
        return "at most 16 addresses";
    return term_options_parse_url(&options->addresses[options->address_count++], url,
                                  strlen(url));
}

static const struct setting rows[] = {
#define ROW(name, kind, field, fallback, min, max, check, form, help, unset)           \
    {                                                                                  \
        name, kind, 1, offsetof(struct term_options, field), fallback, min, max,       \
            check, form, help, unset                                                   \
    }
#define SWITCH(name, field, help)                                                      \
    ROW(name, SETTING_SWITCH, field, "0", 0, 1, NULL,                                  \
        "a switch; the variable: 0 or 1", help, NULL)
    ROW("ROOMCAST_USER", SETTING_TEXT, user, "", 0, 0, NULL,
        "1 to 64 bytes without control characters", "who you are in the rooms",
        "the login name"),
    ROW("ROOMCAST_TOKEN", SETTING_SECRET, token, "", 0, 0, NULL, "TOKEN",
        "a token that says who you are, where the gateway asks for one", "none"),
    ROW("token-file", SETTING_TEXT, token_file, "", 0, 0, NULL, "FILE",
        "the token is in this file, which is read for each connection, and again "
        "before the "
        "token ends",
        "none"),
    ROW("ROOMCAST_URL", SETTING_LIST, addresses, "ws://127.0.0.1:9001/ws", 0, 0,
        check_url, "ws://HOST[:PORT][/PATH], at most 16",
        "where to connect; may be given again (in the variable: comma separated), and "
        "the addresses are tried in turn",
        NULL),
    SWITCH("ROOMCAST_PLAIN", is_plain, "no screen control: lines in, lines out"),
    SWITCH("ROOMCAST_JSON", is_json,
           "like --plain, but the events are printed as they came, one a line"),
    SWITCH("ROOMCAST_FOLLOW", follows,
           "with --plain: stay in the rooms after the end of the input"),
    SWITCH("ROOMCAST_NO_COMMANDS", has_no_commands,
           "with --plain: a line that begins with / is said like any other"),
    ROW("ROOMCAST_TIMEOUT_SECS", SETTING_SECONDS, timeout_ms, "30", 100, 86400000, NULL,
        NULL,
        "with --plain: how long to try for the first connection, and after the end of "
        "the input for what is not said yet",
        NULL),
#undef SWITCH
#undef ROW
};

static void print_more(void)
{
    printf("\n  NO_COLOR in the environment: no colours.\n\n"
           "Exit codes: 0 all was said and acked, or you quit; 1 something was refused "
           "or\nnot acked in time; 2 a bad setting, or no terminal; 3 never "
           "connected.\n");
}

static const struct settings settings = {
    .program = "roomcast",
    .usage =
        "usage: roomcast [--FLAG VALUE | --FLAG=VALUE]... [ROOM]...\n\n"
        "Chats in rooms. In the terminal, /help tells the commands and keys.\n"
        "A flag beats its environment variable; an empty variable counts as none.\n"
        "--help prints this, --version the version; -- ends the flags.\n",
    .print_more = print_more,
    .rows = rows,
    .count = sizeof(rows) / sizeof(rows[0]),
    .mask = 1,
    .has_rest = true,
    .blames_flags = true,
};

static bool finish(struct term_options *options)
{
    if (!options->user[0]) {
        const struct passwd *self = getpwuid(getuid());

        free(options->user);
        options->user = xstrdup(self ? self->pw_name : "guest");
    }
    if (!proto_is_name(options->user, strlen(options->user), NAME_MAX_BYTES))
        return setting_value_refuse("--user",
                                    "must be 1 to 64 bytes of UTF-8 without control "
                                    "characters and without { }");
    for (size_t i = 0; i < options->room_count; i++)
        if (!proto_is_name(options->rooms[i], strlen(options->rooms[i]),
                           ROOM_MAX_BYTES))
            return setting_value_refuse("ROOM",
                                        "must be 1 to 128 bytes of UTF-8 without "
                                        "control characters and without { }");
    if (!options->token_file[0]) {
        free(options->token_file);
        options->token_file = xstrdup(settings_file_of("ROOMCAST_TOKEN"));
    }
    options->is_plain = options->is_plain || options->is_json;
    return true;
}

enum term_outcome term_options_load(struct term_options *options, int argc, char **argv)
{
    enum settings_outcome outcome = settings_load(&settings, options, &argc, argv);

    if (outcome == SETTINGS_EXIT_OK)
        return TERM_EXIT_OK;
    if (outcome == SETTINGS_EXIT_BAD)
        return TERM_EXIT_BAD;
    options->rooms = argv;
    options->room_count = (size_t)argc;
    return finish(options) ? TERM_RUN : TERM_EXIT_BAD;
}

void term_options_deinit(struct term_options *options)
{
    settings_deinit(&settings, options);
    for (size_t i = 0; i < options->address_count; i++) {
        free((char *)options->addresses[i].host);
        free((char *)options->addresses[i].path);
    }
    *options = (struct term_options){0};
}

/* ---- tokens ---- */

bool term_options_has_token(const struct term_options *options)
{
    return options->token[0] || options->token_file[0];
}

static char *read_token_file(const char *path)
{
    char text[TOKEN_BYTES_MAX + 1];
    FILE *file = fopen(path, "r");
    size_t len = file ? fread(text, 1, sizeof(text), file) : 0;

    if (file)
        fclose(file);
    while (len > 0 && (unsigned char)text[len - 1] <= ' ')
        len--;
    return len > 0 && len <= TOKEN_BYTES_MAX && !memchr(text, '\0', len)
               ? xmemdup(text, len)
               : NULL;
}

char *term_options_read_token(const struct term_options *options)
{
    if (options->token_file[0])
        return read_token_file(options->token_file);
    return options->token[0] ? xstrdup(options->token) : NULL;
}

struct chat_client *term_options_open_client(const struct term_options *options,
                                             uv_loop_t *loop,
                                             const struct chat_client_opts *callbacks,
                                             void *owner)
{
    struct chat_client_opts opts = *callbacks;

    opts.addresses = options->addresses;
    opts.count = options->address_count;
    opts.says_in_flight = 1;
    opts.looks_for_deleted = true;
    opts.has_one_token = !options->token_file[0];
    if (!term_options_has_token(options))
        opts.on_token_wanted = NULL;
    opts.owner = owner;
    return chat_client_open(loop, &opts);
}
