/* config.c - see config.h.
 *
 * The table of gateway and admin service, for settings.c to read. Adding a setting means adding a field to struct config and a row here;
 * docs/configuration.md is printed from the table too. Over 400 lines because the table is one.
 *
 * Not here: what depends on two settings (config_finish.c), what a text must look like (config_check.c), an
 * address (config_address.c), or the URL of a Redis (redis_url.c).
 */
#include "common/config.h"

#include <stddef.h>
#include <string.h>

#include "common/config_check.h"
#include "common/settings.h"

static const char *check_redis_url(void *target, const char *text)
{
    struct config *config = target;

    return redis_urls_parse(&config->redis, text);
}

static const char *check_move_from(void *target, const char *text)
{
    struct config *config = target;

    return redis_urls_parse(&config->move_from, text);
}

static const char *check_move_to(void *target, const char *text)
{
    struct config *config = target;

    return redis_urls_parse(&config->move_to, text);
}

static const char *check_issuers(void *target, const char *text)
{
    struct config *config = target;

    return issuer_list_parse(&config->issuers, text);
}

static const char *check_trusted(void *target, const char *text)
{
    struct config *config = target;

    return networks_parse(&config->trusted, text);
}

static const char *check_oidc_issuer(void *target, const char *text)
{
    struct config *config = target;
    const char *wrong = issuer_list_parse(&config->oidc_issuer, text);

    if (wrong)
        return wrong;
    return config->oidc_issuer.count == 1 &&
                   config->oidc_issuer.all[0].kind == ISSUER_DISCOVERED
               ? NULL
               : "must be one URL";
}

#define GATEWAY CONFIG_GATEWAY
#define ADMIN CONFIG_ADMIN
#define BOTH (CONFIG_GATEWAY | CONFIG_ADMIN)
#define TOKEN CONFIG_TOKEN
#define ALL (BOTH | TOKEN)

#define ROW(name, kind, programs, field, fallback, min, max, check, form, help)        \
    {                                                                                  \
        name, kind, programs, offsetof(struct config, field), fallback, min, max,      \
            check, form, help, NULL                                                    \
    }
#define TEXT(name, programs, field, fallback, check, form, help)                       \
    ROW(name, SETTING_TEXT, programs, field, fallback, 0, 0, check, form, help)
#define URL(name, programs, field, fallback, check, form, help)                        \
    ROW(name, SETTING_URL, programs, field, fallback, 0, 0, check, form, help)
#define SECRET(name, programs, field, fallback, check, form, help)                     \
    ROW(name, SETTING_SECRET, programs, field, fallback, 0, 0, check, form, help)
#define NUMBER(name, programs, field, fallback, min, max, help)                        \
    ROW(name, SETTING_NUMBER, programs, field, fallback, min, max, NULL, NULL, help)
/* Its limits are in milliseconds. */
#define SECONDS(name, programs, field, fallback, min, max, help)                       \
    ROW(name, SETTING_SECONDS, programs, field, fallback, min, max, NULL, NULL, help)

/* In seconds with a fraction is what is timed in milliseconds. What a connection is given is
 * looked at once a second, and so whole seconds. */
static const struct setting rows[] = {
    TEXT("ROOMCAST_LISTEN", GATEWAY, listen, "0.0.0.0:9001", config_check_address,
         "HOST:PORT", "where clients connect; IPv6 as [::]:9001"),
    TEXT("ROOMCAST_OPS_LISTEN", GATEWAY, ops_listen, "0.0.0.0:9101",
         config_check_address, "HOST:PORT",
         "where /metrics, /healthz and /readyz are served"),
    TEXT("ROOMCAST_ADVERTISE", GATEWAY, advertise, "", config_check_word, "NAME",
         "how the gateway is named to operators; without it host name and port"),
    TEXT("ROOMCAST_ADMIN_LISTEN", ADMIN, admin_listen, "0.0.0.0:8080",
         config_check_address, "HOST:PORT", "where the admin service is served"),
    TEXT("ROOMCAST_PUBLIC_WS_URLS", ADMIN, public_ws_urls, "", config_check_ws_urls,
         "WS_URL[,WS_URL...]",
         "where the console's chat connects, as wss://chat.example/ws; without it the "
         "page's host, port 9001"),
    SECRET("AUTH_TOKEN", ADMIN, auth_token, "", config_check_token,
           "1 to 1024 printable ASCII characters without a space",
           "what operators have to send; the admin service does not start without it"),
    TEXT(
        "ROOMCAST_ADMIN_TOKENS_FILE", ADMIN, admin_tokens_file, "", NULL, "FILE",
        "more tokens of operators: a line each, name, role (viewer, moderator, admin), "
        "SHA-256, and perhaps when it ends; roomcast-admin hash prints one; read again "
        "when it changes"),
    TEXT("ROOMCAST_OIDC_ISSUER", ADMIN, oidc_issuer_url, "", check_oidc_issuer, "URL",
         "the OpenID provider by which people sign in to the console, as it names "
         "itself; "
         "http only to loopback"),
    TEXT("ROOMCAST_OIDC_CLIENT_ID", ADMIN, oidc_client_id, "", config_check_word,
         "NAME", "what the provider knows this service as"),
    SECRET("ROOMCAST_OIDC_CLIENT_SECRET", ADMIN, oidc_client_secret, "", NULL, "SECRET",
           "of the client, where the provider has given one"),
    TEXT("ROOMCAST_OIDC_REDIRECT_URL", ADMIN, oidc_redirect_url, "",
         config_check_redirect, "URL",
         "where the provider sends people back to, as "
         "https://console.example/oidc/callback"),
    TEXT("ROOMCAST_OIDC_CLAIM", ADMIN, oidc_claim, "groups", config_check_word, "NAME",
         "the claim of an ID token whose values make the role"),
    TEXT("ROOMCAST_OIDC_ADMIN", ADMIN, oidc_admin, "", NULL, "VALUE[,VALUE...]",
         "values of the claim that make an admin; *: anybody is one"),
    TEXT("ROOMCAST_OIDC_MODERATOR", ADMIN, oidc_moderator, "", NULL, "VALUE[,VALUE...]",
         "the same for a moderator"),
    TEXT("ROOMCAST_OIDC_VIEWER", ADMIN, oidc_viewer, "", NULL, "VALUE[,VALUE...]",
         "the same for a viewer"),
    TEXT("ROOMCAST_CONSOLE_DIR", ADMIN, console_dir, "", NULL, "DIRECTORY",
         "the built console, read once, at the start; without it what is installed "
         "with the program, else frontend/dist"),
    NUMBER("ROOMCAST_ADMIN_LISTENERS", ADMIN, admin_listeners, "100", 1, 10000,
           "clients that may follow the events at once, but at most half of the "
           "connections; beyond it 503"),
    NUMBER("ROOMCAST_ADMIN_FAILURES", ADMIN, admin_failures, "10", 1, 1000,
           "wrong tokens that an address may send at once; beyond it 429, and one more "
           "each 6 s; the right one is always taken"),
    NUMBER("ROOMCAST_AUDIT_ENTRIES", BOTH, audit_entries, "10000", 1, 1000000,
           "about how many entries the audit trail keeps"),
    /* Below 1024: see common/http_socket.c. */
    NUMBER("ROOMCAST_HTTP_CONNECTIONS", BOTH, http_connections, "400", 8, 900,
           "connections to the admin or ops port; beyond it one without a whole "
           "request is closed, and if all are being answered the new one gets 503"),
    NUMBER("ROOMCAST_HTTP_SEND_SECS", BOTH, http_send_secs, "10", 1, 3600,
           "a client of the admin or ops port that takes less than 4 KiB of its answer "
           "in so long is cut"),
    URL("ROOMCAST_REDIS_URL", BOTH, redis_url, "redis://127.0.0.1:6379",
        check_redis_url, "redis://[USER:PASSWORD@]HOST[:PORT][/DB]",
        "the Redis that holds all state; user and password percent-encoded; "
        "docs/redis.md has the other forms"),
    SECRET(
        "ROOMCAST_MOVE_FROM", ADMIN, move_from_url, "", check_move_from,
        "as ROOMCAST_REDIS_URL",
        "of --move-rooms: where the rooms are; the settings of TLS and Sentinels below "
        "are for both"),
    SECRET("ROOMCAST_MOVE_TO", ADMIN, move_to_url, "", check_move_to,
           "as ROOMCAST_REDIS_URL",
           "of --move-rooms: where they are to be, which becomes ROOMCAST_REDIS_URL"),
    TEXT("ROOMCAST_REDIS_CA_FILE", BOTH, redis_ca_file, "", NULL, "FILE",
         "PEM certificates of those who may sign that of Redis and of a Sentinel; "
         "without it the system's"),
    TEXT("ROOMCAST_REDIS_CERT_FILE", BOTH, redis_cert_file, "", NULL, "FILE",
         "PEM certificate, with its chain, that is shown to Redis over TLS"),
    TEXT("ROOMCAST_REDIS_KEY_FILE", BOTH, redis_key_file, "", NULL, "FILE",
         "PEM key of ROOMCAST_REDIS_CERT_FILE, without a passphrase"),
    TEXT("ROOMCAST_REDIS_TLS_NAME", BOTH, redis_tls_name, "", config_check_word, "NAME",
         "the name that the certificates of Redis must have, and the Sentinels', in "
         "place of the host in the URL"),
    TEXT("ROOMCAST_SENTINEL_USER", BOTH, sentinel_user, "", NULL, "USER",
         "who the Sentinels are told this is; needs a password"),
    SECRET("ROOMCAST_SENTINEL_PASSWORD", BOTH, sentinel_password, "", NULL, "PASSWORD",
           "of the Sentinels, where they ask for one"),
    NUMBER("ROOMCAST_READY_SHARDS", BOTH, ready_shards, "0", 0, 100,
           "percent of the shards that must be up for /readyz to answer 200; 0: 100 of "
           "one shard, 51 of several"),
    TEXT("ROOMCAST_KEY_PREFIX", BOTH, key_prefix, "rc", config_check_prefix,
         "1 to 64 of A-Z a-z 0-9 _ . -",
         "how each key and channel in Redis begins; two fleets on one Redis need two"),
    NUMBER("ROOMCAST_REDIS_DEADLINE_MS", BOTH, redis_deadline_ms, "2000", 100, 60000,
           "a command to Redis without an answer is given up after it"),
    NUMBER("ROOMCAST_WORKERS", GATEWAY, workers, "0", 0, 256,
           "event loops, each a thread; 0: one a core"),
    NUMBER("ROOMCAST_HISTORY_LIMIT", BOTH, history_limit, "100", 0, 10000,
           "messages kept a room; 0: none"),
    NUMBER("ROOMCAST_HISTORY_MAX_BYTES", BOTH, history_max_bytes, "1048576", 1,
           1073741824,
           "bytes of the messages kept a room; the oldest go, but the last one stays"),
    SECONDS("ROOMCAST_ROOM_TTL_SECS", BOTH, room_ttl_ms, "300", 100, 31536000000,
            "how long an empty room lives on"),
    SECONDS("ROOMCAST_LEASE_SECS", GATEWAY, lease_ms, "10", 100, 3600000,
            "a gateway that is silent for so long is dead; its members go"),
    SECONDS("ROOMCAST_DEDUPE_SECS", BOTH, dedupe_ms, "300", 100, 86400000,
            "how long the key of a message is remembered"),
    NUMBER("ROOMCAST_KEYS_MAX", BOTH, keys_max, "100000", 1, 10000000,
           "keys of messages remembered a room; beyond it, a key is known at least "
           "until so many others came"),
    NUMBER("ROOMCAST_PRESENCE_GRACE_MS", GATEWAY, presence_grace_ms, "3000", 0, 600000,
           "how long a member whose connection ended may take to come back unnoticed"),
    NUMBER("ROOMCAST_PRESENCE_EVENTS_MAX", BOTH, presence_events_max, "500", 0, 1000000,
           "rooms with more members send no member_joined and member_left"),
    /* A control character of one byte becomes six; a notice has to stay below the 32
     * MB at which Redis disconnects a subscriber. */
    NUMBER("ROOMCAST_MAX_MESSAGE_BYTES", BOTH, max_message_bytes, "65536", 256, 4194304,
           "one message of a client; a longer one closes with 1009"),
    NUMBER("ROOMCAST_MAX_CONNECTIONS", GATEWAY, max_connections, "0", 0, 10000000,
           "clients of this process; beyond it 503; 0: as file descriptors allow"),
    NUMBER("ROOMCAST_MAX_ROOMS", GATEWAY, max_rooms, "128", 1, 100000,
           "rooms that a connection can be in"),
    NUMBER("ROOMCAST_REQUESTS_PER_SEC", GATEWAY, requests_per_sec, "50", 0, 1000000,
           "WebSocket frames of a connection, of any kind; beyond it the connection is "
           "not read for a while; 0: no limit"),
    NUMBER("ROOMCAST_REQUESTS_BURST", GATEWAY, requests_burst, "200", 0, 10000000,
           "frames at once after a pause; 0: as many as in a second"),
    NUMBER("ROOMCAST_BYTES_PER_SEC", GATEWAY, bytes_per_sec, "262144", 0, 1000000000,
           "bytes from a connection; beyond it the connection is not read for a while; "
           "0: no limit"),
    NUMBER(
        "ROOMCAST_BYTES_BURST", GATEWAY, bytes_burst, "1048576", 0, 1000000000,
        "bytes at once after a pause, at least one message; 0: as many as in a second"),
    NUMBER(
        "ROOMCAST_MESSAGES_PER_SEC", GATEWAY, messages_per_sec, "0", 0, 1000000,
        "`message` requests of a connection; beyond it the connection is not read for "
        "a while; 0: no limit"),
    NUMBER("ROOMCAST_MESSAGES_BURST", GATEWAY, messages_burst, "0", 0, 10000000,
           "messages at once after a pause; 0: as many as in a second"),
    NUMBER("ROOMCAST_JOINS_PER_SEC", GATEWAY, joins_per_sec, "20", 0, 1000000,
           "joins of a connection; 0: no limit"),
    NUMBER("ROOMCAST_JOINS_BURST", GATEWAY, joins_burst, "200", 0, 10000000,
           "joins at once after a pause; 0: as many as in a second"),
    TEXT("ROOMCAST_TRUSTED_PROXIES", GATEWAY, trusted_proxies, "", check_trusted,
         "ADDRESS or NETWORK[,...]",
         "who may say by X-Forwarded-For or the PROXY protocol whose connection it is, "
         "as 10.0.0.0/8,2001:db8::1"),
    NUMBER("ROOMCAST_PROXY_PROTOCOL", GATEWAY, proxy_protocol, "0", 0, 1,
           "1: each connection of clients begins with a header of the PROXY protocol, "
           "version 1 or 2, from ROOMCAST_TRUSTED_PROXIES if any are named; others are "
           "dropped"),
    NUMBER("ROOMCAST_ADDRESS_PENDING_MAX", GATEWAY, address_pending_max, "0", 0,
           10000000,
           "connections of one address to this process that are not authenticated yet, "
           "or with ROOMCAST_AUTH=none have joined no room yet; beyond it 429; 0: no "
           "limit; IPv6 counts by /64, here and below"),
    NUMBER("ROOMCAST_ADDRESS_CONNECTIONS_MAX", GATEWAY, address_connections_max, "0", 0,
           10000000,
           "connections of one address to this process; beyond it 429; 0: no limit"),
    NUMBER("ROOMCAST_ADDRESS_CONNECTS_PER_SEC", GATEWAY, address_connects_per_sec, "0",
           0, 1000000, "new connections of one address; beyond it 429; 0: no limit"),
    NUMBER("ROOMCAST_ADDRESS_CONNECTS_BURST", GATEWAY, address_connects_burst, "0", 0,
           10000000,
           "new connections at once after a pause; 0: as many as in a second"),
    NUMBER("ROOMCAST_USER_CONNECTIONS_MAX", GATEWAY, user_connections_max, "0", 0, 1000,
           "connections of one user in the fleet, with ROOMCAST_AUTH=jwt; a new one "
           "closes the oldest with 4502; 0: no limit"),
    NUMBER("ROOMCAST_REQUESTS_IN_FLIGHT", GATEWAY, requests_in_flight, "256", 1, 65536,
           "unanswered requests of a connection; beyond it the connection is not read"),
    NUMBER("ROOMCAST_SEND_QUEUE_MAX_BYTES", GATEWAY, send_queue_max_bytes, "1048576",
           4096, 1073741824, "what waits for one client before it counts as slow"),
    NUMBER("ROOMCAST_SLOW_SECS", GATEWAY, slow_secs, "10", 1, 3600,
           "how long a slow client may take to catch up before it is closed with 4001"),
    NUMBER(
        "ROOMCAST_QUEUES_MAX_BYTES", GATEWAY, queues_max_bytes, "268435456", 1048576,
        1099511627776,
        "what waits for all clients; beyond it the one with most is closed with 4001"),
    NUMBER("ROOMCAST_FLUSH_MS", GATEWAY, flush_ms, "0", 0, 1000,
           "how long the messages of a busy room may wait to share a write"),
    NUMBER("ROOMCAST_PRESENCE_FLUSH_MS", GATEWAY, presence_flush_ms, "100", 0, 10000,
           "how long member_joined and member_left may wait to share a write, up to "
           "ten times as long while they do for many connections"),
    NUMBER("ROOMCAST_HANDSHAKE_SECS", GATEWAY, handshake_secs, "10", 1, 3600,
           "how long a client may take for its HTTP request"),
    NUMBER("ROOMCAST_FIRST_JOIN_SECS", GATEWAY, first_join_secs, "60", 1, 86400,
           "how long a client may take for its first join"),
    NUMBER("ROOMCAST_PING_INTERVAL_SECS", GATEWAY, ping_interval_secs, "25", 1, 3600,
           "pause between pings; two without an answer close with 4002"),
    SECONDS("ROOMCAST_DRAIN_SECS", GATEWAY, drain_ms, "20", 0, 3600000,
            "how long an orderly stop takes at most"),
    TEXT("ROOMCAST_ALLOWED_ORIGINS", GATEWAY, allowed_origins, "same-host",
         config_check_origins, "* or a list of ORIGIN and same-host",
         "web pages that may connect, as https://chat.example; same-host: those over "
         "http or https from the host of the request, ports aside, or from loopback to "
         "loopback; a client without Origin always may"),
    TEXT("ROOMCAST_AUTH", BOTH, auth, "none", config_check_auth, "none or jwt",
         "how user names are proven; none: a client may take any name; jwt: by tokens"),
    SECRET(
        "ROOMCAST_JWT_SECRET", ALL, jwt_secret, "", config_check_jwt_secret,
        "one a line, each of 32 bytes or more",
        "what tokens of HS256 are signed with; all lines are accepted, the first one "
        "signs; the file is read again when it changes"),
    ROW("ROOMCAST_JWT_AUDIENCE", SETTING_OPEN_TEXT, ALL, jwt_audience, "roomcast", 0, 0,
        NULL, "NAME",
        "what a token must be for (aud); with the flag empty it is not looked at"),
    TEXT("ROOMCAST_JWT_USER_CLAIM", ALL, jwt_user_claim, "sub", config_check_word,
         "NAME", "the claim of a token that names the user"),
    TEXT("ROOMCAST_JWT_ROOMS_CLAIM", ALL, jwt_rooms_claim, "rooms", config_check_word,
         "NAME", "the claim of a token that names rooms and rights"),
    NUMBER("ROOMCAST_JWT_LEEWAY_SECS", BOTH, jwt_leeway_secs, "30", 0, 300,
           "how far the clocks of those who issue tokens may be off"),
    NUMBER("ROOMCAST_TOKEN_MAX_SECS", ALL, token_max_secs, "86400", 60, 2592000,
           "how long a token may be good for"),
    TEXT("ROOMCAST_JWT_ISSUERS", ADMIN, jwt_issuers, "", check_issuers,
         "ISSUER[=URL or FILE][,...]",
         "who may issue tokens, and where the keys (JWKS) are; without a URL by the "
         "issuer's /.well-known/openid-configuration; http only to loopback"),
    NUMBER("ROOMCAST_JWKS_REFRESH_SECS", ADMIN, jwks_refresh_secs, "300", 1, 86400,
           "how often the keys of each issuer are read"),
    NUMBER("ROOMCAST_AUTH_WARN_SECS", GATEWAY, auth_warn_secs, "60", 1, 3600,
           "how long before the end of its token a client is told"),
    NUMBER("ROOMCAST_GUESTS", GATEWAY, guests, "0", 0, 1,
           "1: clients without a token may come in as guests, with ROOMCAST_AUTH=jwt"),
    TEXT(
        "ROOMCAST_DEFAULT_RIGHTS", BOTH, default_rights, "", config_check_rights,
        "letters of r, w and m",
        "what users may in rooms that no token names, unless the room's class says it; "
        "without it rw with ROOMCAST_AUTH=none, and nothing with jwt"),
    TEXT("user", TOKEN, token_user, "", NULL, "NAME", "whom the token is for"),
    TEXT("name", TOKEN, token_name, "", NULL, "NAME", "how the user is shown"),
    TEXT("rooms", TOKEN, token_rooms, "", NULL, "PATTERN=RIGHTS[,...]",
         "what it opens, as lobby=rw,team/*=r"),
    NUMBER("secs", TOKEN, token_secs, "3600", 1, 2592000,
           "how long it is good for, at most ROOMCAST_TOKEN_MAX_SECS"),
    TEXT("ROOMCAST_LOG_LEVEL", BOTH, log_level, "info", config_check_log_level,
         "error, warn, info or debug", "the least important lines that are logged"),
    NUMBER("ROOMCAST_ECHO", GATEWAY, echo, "0", 0, 1, NULL),
    ROW("healthcheck", SETTING_SWITCH, BOTH, healthcheck, "0", 0, 0, NULL, NULL, NULL),
    ROW("move_rooms", SETTING_SWITCH, ADMIN, move_rooms, "0", 0, 0, NULL, NULL, NULL),
    ROW("dry_run", SETTING_SWITCH, ADMIN, dry_run, "0", 0, 0, NULL, NULL, NULL),
};

#undef SECONDS
#undef NUMBER
#undef SECRET
#undef URL
#undef TEXT
#undef ROW
#undef ALL
#undef TOKEN
#undef BOTH
#undef ADMIN
#undef GATEWAY

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

#define USAGE(program)                                                                 \
    "usage: " program " [--FLAG VALUE | --FLAG=VALUE]...\n\n"                          \
    "A flag beats its environment variable; an empty variable counts as none.\n"       \
    "--help prints this, --version the version. --healthcheck asks the one that runs " \
    "with\nthe same settings for its /healthz, and exits with 0 if all is well, else " \
    "with 1.\n"

#define MOVE_USAGE                                                                     \
    "\n--move-rooms takes the rooms from the Redis of ROOMCAST_MOVE_FROM to those of " \
    "\nROOMCAST_MOVE_TO, while no gateway runs, and ends; docs/redis.md says how. "    \
    "With "                                                                            \
    "--dry-run it\nsays what it would move, and changes nothing. It exits with 0 "     \
    "when "                                                                            \
    "all is where it belongs,\n1 if it broke off: run it again, 2 for a bad setting, " \
    "3 "                                                                               \
    "if it must not begin, and says why.\n"

#define TOKEN_USAGE                                                                    \
    "\nroomcast-admin token --user NAME prints a token, signed with the first line "   \
    "of "                                                                              \
    "\nROOMCAST_JWT_SECRET; see its --help.\n"                                         \
    "\nroomcast-admin hash NAME ROLE [UNTIL] prints a token for an operator, and its " \
    "line of\nROOMCAST_ADMIN_TOKENS_FILE.\n"

static const char usage_of_token[] =
    "usage: roomcast-admin token --user NAME [--FLAG VALUE | --FLAG=VALUE]...\n\n"
    "Prints a token, signed with the first line of ROOMCAST_JWT_SECRET.\n";

static struct settings settings_of(enum config_program program)
{
    struct settings settings = {
        .program = program == CONFIG_GATEWAY ? "roomcast-gateway" : "roomcast-admin",
        .usage = USAGE("roomcast-gateway"),
        .rows = rows,
        .count = ROWS,
        .mask = program,
    };

    if (program == CONFIG_ADMIN)
        settings.usage = USAGE("roomcast-admin") MOVE_USAGE TOKEN_USAGE;
    else if (program == CONFIG_TOKEN)
        settings.usage = usage_of_token;
    return settings;
}

unsigned config_ready_percent(const struct config *config, unsigned shards)
{
    if (config->ready_shards > 0)
        return (unsigned)config->ready_shards;
    return shards == 1 ? 100 : 51;
}

enum config_outcome config_load(struct config *config, enum config_program program,
                                int argc, char **argv)
{
    struct settings settings = settings_of(program);
    enum settings_outcome outcome = settings_load(&settings, config, &argc, argv);

    if (outcome == SETTINGS_EXIT_OK)
        return CONFIG_EXIT_OK;
    if (outcome == SETTINGS_EXIT_BAD || !config_finish(config, program))
        return CONFIG_EXIT_BAD;
    if (config->healthcheck)
        return CONFIG_HEALTHCHECK;
    if (config->move_rooms)
        return CONFIG_MOVE_ROOMS;
    config_warn(config);
    return CONFIG_RUN;
}

void config_deinit(struct config *config)
{
    struct settings settings = settings_of(CONFIG_GATEWAY);

    settings_deinit(&settings, config);
    issuer_list_deinit(&config->issuers);
    networks_deinit(&config->trusted);
    issuer_list_deinit(&config->oidc_issuer);
    redis_urls_deinit(&config->redis);
    redis_urls_deinit(&config->move_from);
    redis_urls_deinit(&config->move_to);
    *config = (struct config){0};
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
        "the file that the variable with `_FILE` behind its name tells; `AUTH_TOKEN`, "
        "`ROOMCAST_SENTINEL_PASSWORD`,\n"
        "`ROOMCAST_OIDC_CLIENT_SECRET`, `ROOMCAST_MOVE_FROM` and `ROOMCAST_MOVE_TO` "
        "are no flags, because other users "
        "of a machine can see\n"
        "those. A bad setting ends "
        "the\n"
        "program at once with one line on stderr and exit code 2.\n\n"
        "Seconds may be a fraction, with up to three decimals, where the limits say "
        "so:\n"
        "`ROOMCAST_LEASE_SECS=0.5`. The others are looked at once a second, and are "
        "whole.\n\n"
        "`--help` prints the settings of a program, `--version` its version. With\n"
        "`--healthcheck` it asks the one that runs with the same settings for its\n"
        "`/healthz`, and exits with 0 if all is well, else with 1 and one line on "
        "stderr:\n"
        "what a container engine wants to know of an image without curl.\n\n"
        "| variable | of | default | limits | |\n|---|---|---|---|---|\n",
        out);
    for (size_t i = 0; i < ROWS; i++) {
        const struct setting *s = &rows[i];
        const char *tick = s->fallback[0] ? "`" : "";

        if (!s->help || s->programs == CONFIG_TOKEN)
            continue;
        fprintf(out, "| `%s`", s->name);
        if (settings_may_be_in_file(s))
            fprintf(out, ", `%s_FILE`", s->name);
        fprintf(out, " | %s | %s%s%s | ",
                programs[s->programs & (CONFIG_GATEWAY | CONFIG_ADMIN)], tick,
                settings_default_of(s), tick);
        settings_print_limits(out, s);
        fprintf(out, " | %s |\n", s->help);
    }
}
