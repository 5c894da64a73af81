/* config.c - see config.h.
 *
 * One table says everything about a setting: name, default, limits, help. Adding a
 * setting means adding a field to struct config and a row here; docs/configuration.md
 * is printed from the table too (see config_print_markdown).
 *
 *     read_flags     argv -> the text given for each row
 *     find_text      flag, else environment, else file, else default
 *     set            text -> field, within the row's limits
 *     finish         what depends on two settings
 *
 * Each failure says its line where it is found, and all above only pass it on.
 *
 * Longer than other files because a third of it is the table. Not here: what an address
 * or a URL looks like (config_address.c).
 */
#include "common/config.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/xalloc.h"

enum { FILE_BYTES_MAX = 4096, NAME_BYTES_MAX = 64 };

/* How every example of a password in the project begins. */
static const char example_secret[] = "change-me";

/* URL and SECRET: text, also from a file; a SECRET is never a flag, which others see. */
enum kind { TEXT, URL, SECRET, NUMBER, SWITCH };

/* Looks at the text of a setting, and may keep what it finds in `config`. NULL, or the
 * reason why it is refused. */
typedef const char *(*check_fn)(struct config *config, const char *text);

static bool is_printable(const char *text, const char *but)
{
    for (; *text; text++)
        if (*text < ' ' || *text > '~' || strchr(but, *text))
            return false;
    return true;
}

static const char *check_address(struct config *config, const char *text)
{
    char *host, *port;

    (void)config;
    if (config_split_address(text, &host, &port) < 0)
        return "must be a host and a port from 1 to 65535, as 0.0.0.0:9001 or "
               "[::]:9001";
    free(host);
    free(port);
    return NULL;
}

static const char *check_redis_url(struct config *config, const char *text)
{
    return config_parse_redis(&config->redis, text);
}

static const char *check_word(struct config *config, const char *text)
{
    (void)config;
    return is_printable(text, " ") && strlen(text) <= 255
               ? NULL
               : "must be at most 255 printable ASCII characters without a space";
}

static const char *check_prefix(struct config *config, const char *text)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";

    (void)config;
    return strlen(text) <= 64 && strspn(text, allowed) == strlen(text)
               ? NULL
               : "must be 1 to 64 characters of A-Z a-z 0-9 _ . -";
}

/* RFC 6454, section 6.2: "null", or a scheme, a host and perhaps a port; or our own
 * "same-host". */
static bool is_origin(const char *text, size_t len)
{
    const char *host = memmem(text, len, "://", 3);

    if (!host)
        return (len == 4 && memcmp(text, "null", 4) == 0) ||
               (len == 9 && memcmp(text, "same-host", 9) == 0);
    host += 3;
    return host - text > 3 && host < text + len &&
           !memchr(host, '/', (size_t)(text + len - host)) && !memchr(text, ' ', len);
}

static const char *check_origins(struct config *config, const char *text)
{
    static const char refused[] =
        "must be * or a comma separated list of same-host and of origins, as "
        "https://chat.example (no path, not even a /)";

    (void)config;
    if (strcmp(text, "*") == 0)
        return NULL;
    for (const char *at = text; at; at = strchr(at, ',')) {
        size_t len;

        at += *at == ',';
        at += strspn(at, " ");
        len = strcspn(at, ",");
        while (len > 0 && at[len - 1] == ' ')
            len--;
        if (!is_origin(at, len))
            return refused;
    }
    return is_printable(text, "\"\\") ? NULL : refused;
}

static const char *check_auth(struct config *config, const char *text)
{
    (void)config;
    if (strcmp(text, "jwt") == 0)
        return "jwt is not in this build yet";
    return strcmp(text, "none") == 0 ? NULL : "must be none";
}

static const char *check_ws_urls(struct config *config, const char *text)
{
    (void)config;
    for (const char *at = text; at; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, "ws://", 5) != 0 && strncmp(at, "wss://", 6) != 0)
            return "must be a comma separated list of ws:// or wss:// addresses";
    }
    return is_printable(text, " \"'\\;<>") ? NULL
                                           : "has a character that no address has";
}

static const char *check_token(struct config *config, const char *text)
{
    size_t len = strlen(text);

    (void)config;
    return is_printable(text, " ") && len <= 1024
               ? NULL
               : "must be 1 to 1024 printable ASCII characters without a space";
}

static const char *check_log_level(struct config *config, const char *text)
{
    static const char *const log_levels[] = {"error", "warn", "info", "debug"};

    (void)config;
    for (size_t i = 0; i < sizeof(log_levels) / sizeof(log_levels[0]); i++)
        if (strcmp(text, log_levels[i]) == 0) {
            log_max = (enum log_level)i;
            return NULL;
        }
    return "must be error, warn, info or debug";
}

static const struct setting {
    const char *name;
    enum kind kind;
    unsigned programs;
    size_t offset;
    const char *fallback; /* "": none */
    long min, max;        /* of a NUMBER */
    check_fn check;       /* NULL: the limits say all */
    const char *form;     /* what it looks like, where it is no number */
    const char *help;     /* NULL: not shown */
} settings[] = {
#define FIELD(f) offsetof(struct config, f)
#define GATEWAY CONFIG_GATEWAY
#define ADMIN CONFIG_ADMIN
#define BOTH (CONFIG_GATEWAY | CONFIG_ADMIN)
    {"ROOMCAST_LISTEN", TEXT, GATEWAY, FIELD(listen), "0.0.0.0:9001", 0, 0,
     check_address, "HOST:PORT", "where clients connect; IPv6 as [::]:9001"},
    {"ROOMCAST_OPS_LISTEN", TEXT, GATEWAY, FIELD(ops_listen), "0.0.0.0:9101", 0, 0,
     check_address, "HOST:PORT", "where /metrics, /healthz and /readyz are served"},
    {"ROOMCAST_ADVERTISE", TEXT, GATEWAY, FIELD(advertise), "", 0, 0, check_word,
     "NAME", "how the gateway is named to operators; without it host name and port"},
    {"ROOMCAST_ADMIN_LISTEN", TEXT, ADMIN, FIELD(admin_listen), "0.0.0.0:8080", 0, 0,
     check_address, "HOST:PORT", "where the admin service is served"},
    {"ROOMCAST_PUBLIC_WS_URLS", TEXT, ADMIN, FIELD(public_ws_urls), "", 0, 0,
     check_ws_urls, "WS_URL[,WS_URL...]",
     "where the console's chat connects, as wss://chat.example/ws; without it the "
     "page's host, port 9001"},
    {"AUTH_TOKEN", SECRET, ADMIN, FIELD(auth_token), "", 0, 0, check_token,
     "1 to 1024 printable ASCII characters without a space",
     "what operators have to send; the admin service does not start without it"},
    {"ROOMCAST_CONSOLE_DIR", TEXT, ADMIN, FIELD(console_dir), "", 0, 0, NULL,
     "DIRECTORY",
     "the built console, read once, at the start; without it what is installed "
     "with the program, else frontend/dist"},
    {"ROOMCAST_ADMIN_LISTENERS", NUMBER, ADMIN, FIELD(admin_listeners), "100", 1, 10000,
     NULL, NULL,
     "clients that may follow the events at once, but at most half of the connections; "
     "beyond it 503"},
    {"ROOMCAST_ADMIN_FAILURES", NUMBER, ADMIN, FIELD(admin_failures), "10", 1, 1000,
     NULL, NULL,
     "wrong tokens that an address may send at once; beyond it 429, and one more "
     "each 6 s; the right one is always taken"},
    {"ROOMCAST_AUDIT_ENTRIES", NUMBER, ADMIN, FIELD(audit_entries), "10000", 1, 1000000,
     NULL, NULL, "about how many entries the audit trail keeps"},
    /* Below 1024: see common/http_socket.c. */
    {"ROOMCAST_HTTP_CONNECTIONS", NUMBER, BOTH, FIELD(http_connections), "400", 8, 900,
     NULL, NULL,
     "connections to the admin or ops port; beyond it one without a whole request is "
     "closed, and if all are being answered the new one gets 503"},
    {"ROOMCAST_HTTP_SEND_SECS", NUMBER, BOTH, FIELD(http_send_secs), "10", 1, 3600,
     NULL, NULL,
     "a client of the admin or ops port that takes less than 4 KiB of its answer in so "
     "long is cut"},
    {"ROOMCAST_REDIS_URL", URL, BOTH, FIELD(redis_url), "redis://127.0.0.1:6379", 0, 0,
     check_redis_url, "redis://[USER:PASSWORD@]HOST[:PORT][/DB]",
     "the Redis that holds all state; user and password percent-encoded"},
    {"ROOMCAST_KEY_PREFIX", TEXT, BOTH, FIELD(key_prefix), "rc", 0, 0, check_prefix,
     "1 to 64 of A-Z a-z 0-9 _ . -",
     "how each key and channel in Redis begins; two fleets on one Redis need two"},
    {"ROOMCAST_REDIS_DEADLINE_MS", NUMBER, BOTH, FIELD(redis_deadline_ms), "2000", 100,
     60000, NULL, NULL, "a command to Redis without an answer is given up after it"},
    {"ROOMCAST_WORKERS", NUMBER, GATEWAY, FIELD(workers), "0", 0, 256, NULL, NULL,
     "event loops, each a thread; 0: one a core"},
    {"ROOMCAST_HISTORY_LIMIT", NUMBER, BOTH, FIELD(history_limit), "100", 0, 10000,
     NULL, NULL, "messages kept a room; 0: none"},
    {"ROOMCAST_HISTORY_MAX_BYTES", NUMBER, BOTH, FIELD(history_max_bytes), "1048576", 1,
     1073741824, NULL, NULL,
     "bytes of the messages kept a room; the oldest go, but the last one stays"},
    {"ROOMCAST_ROOM_TTL_SECS", NUMBER, BOTH, FIELD(room_ttl_secs), "300", 1, 31536000,
     NULL, NULL, "how long an empty room lives on"},
    {"ROOMCAST_LEASE_SECS", NUMBER, GATEWAY, FIELD(lease_secs), "10", 1, 3600, NULL,
     NULL, "a gateway that is silent for so long is dead; its members go"},
    {"ROOMCAST_DEDUPE_SECS", NUMBER, BOTH, FIELD(dedupe_secs), "300", 1, 86400, NULL,
     NULL, "how long the key of a message is remembered"},
    {"ROOMCAST_KEYS_MAX", NUMBER, BOTH, FIELD(keys_max), "100000", 1, 10000000, NULL,
     NULL,
     "keys of messages remembered a room; beyond it, a key is known at least until so "
     "many others came"},
    {"ROOMCAST_PRESENCE_GRACE_MS", NUMBER, GATEWAY, FIELD(presence_grace_ms), "3000", 0,
     600000, NULL, NULL,
     "how long a member whose connection ended may take to come back unnoticed"},
    {"ROOMCAST_PRESENCE_EVENTS_MAX", NUMBER, BOTH, FIELD(presence_events_max), "500", 0,
     1000000, NULL, NULL,
     "rooms with more members send no member_joined and member_left"},
    /* A control character of one byte becomes six; a notice has to stay below the 32
     * MB at which Redis disconnects a subscriber. */
    {"ROOMCAST_MAX_MESSAGE_BYTES", NUMBER, BOTH, FIELD(max_message_bytes), "65536", 256,
     4194304, NULL, NULL, "one message of a client; a longer one closes with 1009"},
    {"ROOMCAST_MAX_CONNECTIONS", NUMBER, GATEWAY, FIELD(max_connections), "0", 0,
     10000000, NULL, NULL,
     "clients of this process; beyond it 503; 0: as file descriptors allow"},
    {"ROOMCAST_MAX_ROOMS", NUMBER, GATEWAY, FIELD(max_rooms), "128", 1, 100000, NULL,
     NULL, "rooms that a connection can be in"},
    {"ROOMCAST_REQUESTS_PER_SEC", NUMBER, GATEWAY, FIELD(requests_per_sec), "50", 0,
     1000000, NULL, NULL,
     "WebSocket frames of a connection, of any kind; beyond it the connection is not "
     "read for a while; 0: no limit"},
    {"ROOMCAST_REQUESTS_BURST", NUMBER, GATEWAY, FIELD(requests_burst), "200", 0,
     10000000, NULL, NULL, "frames at once after a pause; 0: as many as in a second"},
    {"ROOMCAST_BYTES_PER_SEC", NUMBER, GATEWAY, FIELD(bytes_per_sec), "262144", 0,
     1000000000, NULL, NULL,
     "bytes from a connection; beyond it the connection is not read for a while; 0: no "
     "limit"},
    {"ROOMCAST_BYTES_BURST", NUMBER, GATEWAY, FIELD(bytes_burst), "1048576", 0,
     1000000000, NULL, NULL,
     "bytes at once after a pause, at least one message; 0: as many as in a second"},
    {"ROOMCAST_JOINS_PER_SEC", NUMBER, GATEWAY, FIELD(joins_per_sec), "20", 0, 1000000,
     NULL, NULL, "joins of a connection; 0: no limit"},
    {"ROOMCAST_JOINS_BURST", NUMBER, GATEWAY, FIELD(joins_burst), "200", 0, 10000000,
     NULL, NULL, "joins at once after a pause; 0: as many as in a second"},
    {"ROOMCAST_REQUESTS_IN_FLIGHT", NUMBER, GATEWAY, FIELD(requests_in_flight), "256",
     1, 65536, NULL, NULL,
     "unanswered requests of a connection; beyond it the connection is not read"},
    {"ROOMCAST_SEND_QUEUE_MAX_BYTES", NUMBER, GATEWAY, FIELD(send_queue_max_bytes),
     "1048576", 4096, 1073741824, NULL, NULL,
     "what waits for one client before it counts as slow"},
    {"ROOMCAST_SLOW_SECS", NUMBER, GATEWAY, FIELD(slow_secs), "10", 1, 3600, NULL, NULL,
     "how long a slow client may take to catch up before it is closed with 4001"},
    {"ROOMCAST_QUEUES_MAX_BYTES", NUMBER, GATEWAY, FIELD(queues_max_bytes), "268435456",
     1048576, 1099511627776, NULL, NULL,
     "what waits for all clients; beyond it the one with most is closed with 4001"},
    {"ROOMCAST_FLUSH_MS", NUMBER, GATEWAY, FIELD(flush_ms), "0", 0, 1000, NULL, NULL,
     "how long the messages of a busy room may wait to share a write"},
    {"ROOMCAST_PRESENCE_FLUSH_MS", NUMBER, GATEWAY, FIELD(presence_flush_ms), "100", 0,
     10000, NULL, NULL,
     "how long member_joined and member_left may wait to share a write, up to ten "
     "times "
     "as long while they do for many connections"},
    {"ROOMCAST_HANDSHAKE_SECS", NUMBER, GATEWAY, FIELD(handshake_secs), "10", 1, 3600,
     NULL, NULL, "how long a client may take for its HTTP request"},
    {"ROOMCAST_FIRST_JOIN_SECS", NUMBER, GATEWAY, FIELD(first_join_secs), "60", 1,
     86400, NULL, NULL, "how long a client may take for its first join"},
    {"ROOMCAST_PING_INTERVAL_SECS", NUMBER, GATEWAY, FIELD(ping_interval_secs), "25", 1,
     3600, NULL, NULL, "pause between pings; two without an answer close with 4002"},
    {"ROOMCAST_DRAIN_SECS", NUMBER, GATEWAY, FIELD(drain_secs), "20", 0, 3600, NULL,
     NULL, "how long an orderly stop takes at most"},
    {"ROOMCAST_ALLOWED_ORIGINS", TEXT, GATEWAY, FIELD(allowed_origins), "same-host", 0,
     0, check_origins, "* or a list of ORIGIN and same-host",
     "web pages that may connect, as https://chat.example; same-host: those over http "
     "or "
     "https from the host of the request, ports aside, or from loopback to loopback; a "
     "client without Origin always may"},
    {"ROOMCAST_AUTH", TEXT, GATEWAY, FIELD(auth), "none", 0, 0, check_auth, "none",
     "how user names are proven; none: a client may take any name"},
    {"ROOMCAST_LOG_LEVEL", TEXT, BOTH, FIELD(log_level), "info", 0, 0, check_log_level,
     "error, warn, info or debug", "the least important lines that are logged"},
    {"ROOMCAST_ECHO", SWITCH, GATEWAY, FIELD(echo), "0", 0, 1, NULL, NULL, NULL},
#undef BOTH
#undef ADMIN
#undef GATEWAY
#undef FIELD
};

enum { SETTINGS = sizeof(settings) / sizeof(settings[0]) };

static bool is_text(const struct setting *s)
{
    return s->kind == TEXT || s->kind == URL || s->kind == SECRET;
}

static bool may_be_in_file(const struct setting *s)
{
    return s->kind == URL || s->kind == SECRET;
}

static const char *program_name(enum config_program program)
{
    return program == CONFIG_ADMIN ? "roomcast-admin" : "roomcast-gateway";
}

/* One line about a setting that cannot be; gives false, for the caller to return. */
__attribute__((format(printf, 2, 3))) static bool refuse(const char *name,
                                                         const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    fprintf(stderr, "%s: ", name);
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
    va_end(args);
    return false;
}

/* The flag of a setting, without the dashes in front: "history-limit". */
static void flag_of(const struct setting *s, char flag[NAME_BYTES_MAX])
{
    const char *from = s->name;
    size_t at = 0;

    if (strncmp(from, "ROOMCAST_", 9) == 0)
        from += 9;
    for (; from[at]; at++)
        flag[at] = (char)(from[at] == '_' ? '-' : from[at] | 0x20);
    flag[at] = '\0';
}

/* From text to field. */

static void *field(struct config *config, const struct setting *s)
{
    return (char *)config + s->offset;
}

static bool set_number(struct config *config, const struct setting *s, const char *name,
                       const char *text)
{
    bool has_digits = text[0] && strspn(text, "0123456789") == strlen(text);
    long value;

    errno = 0;
    value = strtol(text, NULL, 10);
    if (!has_digits || errno || value < s->min || value > s->max)
        return refuse(name, "must be a whole number from %ld to %ld", s->min, s->max);
    if (s->kind == SWITCH)
        *(bool *)field(config, s) = value != 0;
    else
        *(long *)field(config, s) = value;
    return true;
}

static void set_text(struct config *config, const struct setting *s, const char *text)
{
    char **to = field(config, s);

    free(*to);
    *to = xstrdup(text);
}

/* `name` is where the text came from, for the line about what is wrong with it. */
static bool set(struct config *config, const struct setting *s, const char *name,
                const char *text)
{
    const char *reason;

    if (!text[0])
        return refuse(name, "must not be empty");
    if (is_text(s))
        set_text(config, s, text);
    else if (!set_number(config, s, name, text))
        return false;
    reason = s->check ? s->check(config, text) : NULL;
    return reason ? refuse(name, "%s", reason) : true;
}

static bool set_from_file(struct config *config, const struct setting *s,
                          const char *name, const char *path)
{
    char text[FILE_BYTES_MAX + 1];
    FILE *file = fopen(path, "re");
    size_t len;
    bool failed;

    if (!file)
        return refuse(name, "cannot open %s: %s", path, strerror(errno));
    errno = 0;
    len = fread(text, 1, sizeof(text), file);
    failed = ferror(file);
    fclose(file);
    if (failed)
        return refuse(name, "cannot read %s: %s", path, strerror(errno));
    if (len > FILE_BYTES_MAX || memchr(text, '\0', len))
        return refuse(name, "%s is not a text of at most %d bytes", path,
                      FILE_BYTES_MAX);
    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
        len--;
    text[len] = '\0';
    return set(config, s, name, text);
}

static const char *find_variable(const char *name)
{
    const char *value = getenv(name);

    return value && value[0] ? value : NULL;
}

/* Other users of a machine see the flags of its programs, so a password is refused there. */
static bool is_no_secret(const struct config *config, const struct setting *s)
{
    char flag[NAME_BYTES_MAX];

    if (s->kind != URL || !config->redis.password)
        return true;
    flag_of(s, flag);
    return refuse(s->name,
                  "a password must not be in --%s, where others see it: set %s or "
                  "%s_FILE",
                  flag, s->name, s->name);
}

/* `given` is the text of the flag, or NULL. */
static bool load_one(struct config *config, const struct setting *s, const char *given)
{
    const char *variable = find_variable(s->name), *path = NULL;
    char name_of_file[NAME_BYTES_MAX];

    if (given)
        return set(config, s, s->name, given) && is_no_secret(config, s);
    snprintf(name_of_file, sizeof(name_of_file), "%s_FILE", s->name);
    if (may_be_in_file(s))
        path = find_variable(name_of_file);
    if (path && variable)
        return refuse(s->name, "is set, and %s too: one of them is enough",
                      name_of_file);
    if (path)
        return set_from_file(config, s, name_of_file, path);
    if (variable)
        return set(config, s, s->name, variable);
    if (s->fallback[0])
        return set(config, s, s->name, s->fallback);
    set_text(config, s, "");
    return true;
}

/* Of docker-compose.yml and the like, which work with no edit: everybody who knows the
 * project knows them too. */
static void warn_about_examples(const struct config *config)
{
    static const char text[] =
        "text=\"the password is the example's, which everybody knows: change it\"";
    const struct {
        const char *name, *secret;
    } secrets[] = {
        {"ROOMCAST_REDIS_URL", config->redis.password},
        {"AUTH_TOKEN", config->auth_token},
    };

    for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++)
        if (secrets[i].secret &&
            strncmp(secrets[i].secret, example_secret, strlen(example_secret)) == 0)
            log_warn("example_secret", "of=%s %s", secrets[i].name, text);
}

static bool finish(struct config *config, enum config_program program)
{
    if (program == CONFIG_ADMIN && !config->auth_token[0])
        return refuse("AUTH_TOKEN", "must be set: it is what operators have to send");
    if (config->requests_burst == 0)
        config->requests_burst = config->requests_per_sec;
    if (config->bytes_burst == 0)
        config->bytes_burst = config->bytes_per_sec;
    if (config->bytes_burst < config->max_message_bytes)
        config->bytes_burst = config->max_message_bytes;
    if (config->joins_burst == 0)
        config->joins_burst = config->joins_per_sec;
    return true;
}

/* What is printed. */

static void print_limits(FILE *out, const struct setting *s)
{
    if (s->kind == NUMBER)
        fprintf(out, "%ld to %ld", s->min, s->max);
    else
        fputs(s->form, out);
}

static void print_help(enum config_program program)
{
    printf("usage: %s [--FLAG VALUE | --FLAG=VALUE]...\n\n"
           "A flag beats its environment variable; an empty variable counts as none.\n"
           "--help prints this, --version the version. --healthcheck asks the one "
           "that runs with\nthe same settings for its /healthz, and exits with 0 if "
           "all is well, else with 1.\n",
           program_name(program));
    for (const struct setting *s = settings; s < settings + SETTINGS; s++) {
        char flag[NAME_BYTES_MAX];

        if (!s->help || !(s->programs & program))
            continue;
        flag_of(s, flag);
        if (s->kind == SECRET)
            printf("\n  no flag  (");
        else
            printf("\n  --%s  (", flag);
        print_limits(stdout, s);
        printf(")\n      %s\n      default: %s; environment: %s%s%s%s\n", s->help,
               s->fallback[0] ? s->fallback : "none", s->name,
               may_be_in_file(s) ? ", or a file by " : "",
               may_be_in_file(s) ? s->name : "", may_be_in_file(s) ? "_FILE" : "");
    }
}

void config_print_markdown(FILE *out)
{
    static const char *const programs[] = {
        [CONFIG_GATEWAY] = "gateway",
        [CONFIG_ADMIN] = "admin",
        [CONFIG_GATEWAY | CONFIG_ADMIN] = "both",
    };

    fputs(
        "# Settings\n\n"
        "Each is an environment variable, or a flag of the same name without\n"
        "`ROOMCAST_`, in lower case and with dashes: `ROOMCAST_HISTORY_LIMIT=50` or\n"
        "`--history-limit 50` or `--history-limit=50`. A flag beats the variable; an\n"
        "empty variable counts as none. What may hold a password can also come from\n"
        "the file that the variable with `_FILE` behind its name tells; `AUTH_TOKEN` "
        "is\n"
        "no flag, because other users of a machine can see those. A bad setting ends "
        "the\n"
        "program at once with one line on stderr and exit code 2.\n\n"
        "`--help` prints the settings of a program, `--version` its version. With\n"
        "`--healthcheck` it asks the one that runs with the same settings for its\n"
        "`/healthz`, and exits with 0 if all is well, else with 1 and one line on "
        "stderr:\n"
        "what a container engine wants to know of an image without curl.\n\n"
        "| variable | of | default | limits | |\n|---|---|---|---|---|\n",
        out);
    for (const struct setting *s = settings; s < settings + SETTINGS; s++) {
        const char *tick = s->fallback[0] ? "`" : "";

        if (!s->help)
            continue;
        fprintf(out, "| `%s`", s->name);
        if (may_be_in_file(s))
            fprintf(out, ", `%s_FILE`", s->name);
        fprintf(out, " | %s | %s%s%s | ", programs[s->programs], tick,
                s->fallback[0] ? s->fallback : "none", tick);
        print_limits(out, s);
        fprintf(out, " | %s |\n", s->help);
    }
}

/* From argv to texts. */

static const struct setting *find_flag(enum config_program program, const char *name,
                                       size_t len)
{
    for (const struct setting *s = settings; s < settings + SETTINGS; s++) {
        char flag[NAME_BYTES_MAX];

        flag_of(s, flag);
        if ((s->programs & program) && s->kind != SECRET && strlen(flag) == len &&
            memcmp(flag, name, len) == 0)
            return s;
    }
    return NULL;
}

/* What a word that is no setting asks for; CONFIG_RUN: it is none of these. */
static enum config_outcome read_word(enum config_program program, const char *word)
{
    if (strcmp(word, "--healthcheck") == 0)
        return CONFIG_HEALTHCHECK;
    if (strcmp(word, "--help") == 0)
        print_help(program);
    else if (strcmp(word, "--version") == 0)
        printf("%s %s\n", program_name(program), ROOMCAST_VERSION);
    else
        return CONFIG_RUN;
    return CONFIG_EXIT_OK;
}

/* Puts the text of each flag into `given`, borrowed from argv. */
static enum config_outcome read_flags(enum config_program program, int argc,
                                      char **argv, const char *given[SETTINGS])
{
    enum config_outcome outcome = CONFIG_RUN;

    for (int i = 1; i < argc; i++) {
        bool has_dashes = strncmp(argv[i], "--", 2) == 0;
        const char *name = has_dashes ? argv[i] + 2 : argv[i];
        size_t len = strcspn(name, "=");
        const struct setting *s = has_dashes ? find_flag(program, name, len) : NULL;

        enum config_outcome asked = read_word(program, argv[i]);

        if (asked == CONFIG_EXIT_OK)
            return asked;
        if (asked == CONFIG_HEALTHCHECK) {
            outcome = asked;
            continue;
        }
        if (!s) {
            /* Not what is behind a '=': it may be a secret. */
            fprintf(stderr, "%.*s: there is no such flag (--help lists them)\n",
                    (int)strcspn(argv[i], "="), argv[i]);
            return CONFIG_EXIT_BAD;
        }
        if (name[len] != '=' && i + 1 == argc) {
            refuse(s->name, "--%s needs a value", name);
            return CONFIG_EXIT_BAD;
        }
        given[s - settings] = name[len] == '=' ? name + len + 1 : argv[++i];
    }
    return outcome;
}

enum config_outcome config_load(struct config *config, enum config_program program,
                                int argc, char **argv)
{
    const char *given[SETTINGS] = {NULL};
    enum config_outcome outcome = read_flags(program, argc, argv, given);

    if (outcome != CONFIG_RUN && outcome != CONFIG_HEALTHCHECK)
        return outcome;
    for (int i = 0; i < SETTINGS; i++)
        if ((settings[i].programs & program) &&
            !load_one(config, &settings[i], given[i]))
            return CONFIG_EXIT_BAD;
    if (!finish(config, program))
        return CONFIG_EXIT_BAD;
    if (outcome == CONFIG_RUN)
        warn_about_examples(config);
    return outcome;
}

void config_deinit(struct config *config)
{
    for (const struct setting *s = settings; s < settings + SETTINGS; s++)
        if (is_text(s))
            free(*(char **)field(config, s));
    config_deinit_redis(&config->redis);
    *config = (struct config){0};
}
