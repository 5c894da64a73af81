/* term_options.c - see term_options.h.
 *
 *     read_flags     argv -> the text given for each row of the table
 *     load_one       flag, else environment, else default
 *     finish         user and addresses, as they are used
 */
#include "client/term_options.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/proto.h"
#include "common/strbuf.h"
#include "common/xalloc.h"

enum kind { TEXT, LIST, NUMBER, SWITCH };

enum { NAME_MAX_BYTES = 64, ROOM_MAX_BYTES = 128, HTTP_PORT = 80 };

static const struct setting {
    const char *flag, *variable;
    enum kind kind;
    size_t offset;
    const char *fallback; /* "": see `otherwise` */
    const char *otherwise;
    const char *form;
    const char *help;
} settings[] = {
#define FIELD(f) offsetof(struct term_options, f)
    {"user", "ROOMCAST_USER", TEXT, FIELD(user), "", "the login name",
     "1 to 64 bytes without control characters", "who you are in the rooms"},
    {"url", "ROOMCAST_URL", LIST, FIELD(urls), "ws://127.0.0.1:9001/ws", NULL,
     "ws://HOST[:PORT][/PATH], at most 16",
     "where to connect; may be given again (in the variable: comma separated), and "
     "the addresses are tried in turn"},
    {"plain", "ROOMCAST_PLAIN", SWITCH, FIELD(is_plain), "0", NULL, "0 or 1",
     "no screen control: lines in, lines out"},
    {"json", "ROOMCAST_JSON", SWITCH, FIELD(is_json), "0", NULL, "0 or 1",
     "like --plain, but the events are printed as they came, one a line"},
    {"follow", "ROOMCAST_FOLLOW", SWITCH, FIELD(follows), "0", NULL, "0 or 1",
     "with --plain: stay in the rooms after the end of the input"},
    {"no-commands", "ROOMCAST_NO_COMMANDS", SWITCH, FIELD(has_no_commands), "0", NULL,
     "0 or 1", "with --plain: a line that begins with / is said like any other"},
    {"timeout-secs", "ROOMCAST_TIMEOUT_SECS", NUMBER, FIELD(timeout_secs), "30", NULL,
     "1 to 86400",
     "with --plain: how long to try for the first connection, and after the end of "
     "the input for what is not said yet"},
#undef FIELD
};

enum { SETTINGS = sizeof(settings) / sizeof(settings[0]), NUMBER_MAX = 86400 };

static void *field(struct term_options *options, const struct setting *s)
{
    return (char *)options + s->offset;
}

static bool refuse(const char *name, const char *reason)
{
    fprintf(stderr, "%s: %s\n", name, reason);
    return false;
}

static bool set(struct term_options *options, const struct setting *s, const char *name,
                const char *text)
{
    char *end;
    long value;

    if (s->kind == TEXT || s->kind == LIST) {
        char **to = field(options, s);

        free(*to);
        *to = xstrdup(text);
        return true;
    }
    errno = 0;
    value = strtol(text, &end, 10);
    if (errno || end == text || *end || text[0] == '+' || value < 0)
        value = -1;
    if (s->kind == SWITCH) {
        *(bool *)field(options, s) = value == 1;
        return value == 0 || value == 1 ? true : refuse(name, "must be 0 or 1");
    }
    *(long *)field(options, s) = value;
    return value >= 1 && value <= NUMBER_MAX
               ? true
               : refuse(name, "must be a whole number from 1 to 86400");
}

static bool load_one(struct term_options *options, const struct setting *s,
                     const char *given)
{
    const char *variable = getenv(s->variable);
    char name[64];

    snprintf(name, sizeof(name), "--%s", s->flag);
    if (given && !given[0])
        return refuse(name, "must not be empty");
    if (given)
        return set(options, s, name, given);
    if (variable && variable[0])
        return set(options, s, s->variable, variable);
    return set(options, s, name, s->fallback);
}

static void print_help(void)
{
    printf("usage: roomcast [--FLAG VALUE | --FLAG=VALUE]... [ROOM]...\n\n"
           "Chats in rooms. In the terminal, /help tells the commands and keys.\n"
           "A flag beats its environment variable; an empty variable counts as none.\n"
           "--help prints this, --version the version; -- ends the flags.\n");
    for (const struct setting *s = settings; s < settings + SETTINGS; s++) {
        printf("\n  --%s  (%s)\n      %s\n", s->flag,
               s->kind == SWITCH ? "a switch; the variable: 0 or 1" : s->form, s->help);
        printf("      default: %s; environment: %s\n",
               s->fallback[0] ? s->fallback : s->otherwise, s->variable);
    }
    printf("\n  NO_COLOR in the environment: no colours.\n\n"
           "Exit codes: 0 all was said and acked, or you quit; 1 something was refused "
           "or\nnot acked in time; 2 a bad setting, or no terminal; 3 never "
           "connected.\n");
}

static const struct setting *find_setting(const char *flag, size_t len)
{
    for (const struct setting *s = settings; s < settings + SETTINGS; s++)
        if (strlen(s->flag) == len && memcmp(s->flag, flag, len) == 0)
            return s;
    return NULL;
}

/* A flag at argv[*i]; `given` holds what each row was given. */
static bool read_flag(int argc, char **argv, int *i, struct strbuf *urls,
                      const char *given[SETTINGS])
{
    const char *flag = argv[*i] + 2;
    size_t len = strcspn(flag, "=");
    const struct setting *s =
        strncmp(argv[*i], "--", 2) == 0 ? find_setting(flag, len) : NULL;
    const char *value = s && flag[len] == '=' ? flag + len + 1 : NULL;

    if (!s) {
        fprintf(stderr, "%.*s: there is no such flag (--help lists them)\n",
                (int)strcspn(argv[*i], "="), argv[*i]);
        return false;
    }
    if (!value && s->kind == SWITCH)
        value = "1";
    if (!value && *i + 1 == argc)
        return refuse(argv[*i], "needs a value");
    if (!value)
        value = argv[++*i];
    if (s->kind == LIST && urls->len > 0)
        strbuf_add_char(urls, ',');
    if (s->kind == LIST) {
        strbuf_add_text(urls, value);
        value = urls->data ? urls->data : "";
    }
    given[s - settings] = value;
    return true;
}

/* Flags and rooms may come in any order; the rooms move to the front of argv. */
static enum term_outcome read_flags(struct term_options *options, int argc, char **argv,
                                    struct strbuf *urls, const char *given[SETTINGS])
{
    bool are_flags = true;

    options->rooms = argv;
    for (int i = 1; i < argc; i++) {
        if (are_flags && strcmp(argv[i], "--help") == 0) {
            print_help();
            return TERM_EXIT_OK;
        }
        if (are_flags && strcmp(argv[i], "--version") == 0) {
            printf("roomcast %s\n", ROOMCAST_VERSION);
            return TERM_EXIT_OK;
        }
        if (are_flags && strcmp(argv[i], "--") == 0)
            are_flags = false;
        else if (!are_flags || argv[i][0] != '-')
            options->rooms[options->room_count++] = argv[i];
        else if (!read_flag(argc, argv, &i, urls, given))
            return TERM_EXIT_BAD;
    }
    return TERM_RUN;
}

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

static bool set_addresses(struct term_options *options)
{
    const char *at = options->urls;

    for (;;) {
        size_t len = strcspn(at, ",");
        const char *reason;

        if (options->address_count == TERM_OPTIONS_URLS_MAX)
            return refuse("--url", "at most 16 addresses");
        reason = term_options_parse_url(&options->addresses[options->address_count++],
                                        at, len);
        if (reason)
            return refuse("--url", reason);
        if (!at[len])
            return true;
        at += len + 1;
    }
}

static bool finish(struct term_options *options)
{
    if (!options->user[0]) {
        const struct passwd *self = getpwuid(getuid());

        free(options->user);
        options->user = xstrdup(self ? self->pw_name : "guest");
    }
    if (!proto_is_name(options->user, strlen(options->user), NAME_MAX_BYTES))
        return refuse("--user", "must be 1 to 64 bytes of UTF-8 without control "
                                "characters and without { }");
    for (size_t i = 0; i < options->room_count; i++)
        if (!proto_is_name(options->rooms[i], strlen(options->rooms[i]),
                           ROOM_MAX_BYTES))
            return refuse("ROOM", "must be 1 to 128 bytes of UTF-8 without control "
                                  "characters and without { }");
    options->is_plain = options->is_plain || options->is_json;
    return set_addresses(options);
}

enum term_outcome term_options_load(struct term_options *options, int argc, char **argv)
{
    const char *given[SETTINGS] = {NULL};
    struct strbuf urls = {NULL, 0, 0};
    enum term_outcome outcome = read_flags(options, argc, argv, &urls, given);

    for (int i = 0; i < SETTINGS && outcome == TERM_RUN; i++) {
        const char *value = settings[i].kind == LIST && given[i] ? urls.data : given[i];

        if (!load_one(options, &settings[i], value))
            outcome = TERM_EXIT_BAD;
    }
    strbuf_deinit(&urls);
    if (outcome == TERM_RUN && !finish(options))
        outcome = TERM_EXIT_BAD;
    return outcome;
}

void term_options_deinit(struct term_options *options)
{
    free(options->user);
    free(options->urls);
    for (size_t i = 0; i < options->address_count; i++) {
        free((char *)options->addresses[i].host);
        free((char *)options->addresses[i].path);
    }
    *options = (struct term_options){0};
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
    opts.owner = owner;
    return chat_client_open(loop, &opts);
}
