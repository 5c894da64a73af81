/* config.h - the settings of the programs, from flags and the environment.
 *
 * One table, in config.c, says everything about a setting: name, default, limits,
 * help. Durations are set in seconds, perhaps with a fraction, and kept in milliseconds,
 * but for those of connections, which are whole seconds. A flag (--history-limit 50, --history-limit=50) beats the environment
 * variable of the same name (ROOMCAST_HISTORY_LIMIT), and an empty variable counts as
 * none. What may hold a password can also come from the file that the variable with
 * _FILE behind its name tells.
 */
#ifndef COMMON_CONFIG_H
#define COMMON_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "common/issuer_list.h"
#include "common/networks.h"
#include "common/redis_url.h"

/* CONFIG_TOKEN: `roomcast-admin token`. */
enum config_program { CONFIG_GATEWAY = 1, CONFIG_ADMIN = 2, CONFIG_TOKEN = 4 };

/* Strings are owned by the config; never NULL unless said. */
struct config {
    char *listen, *ops_listen;
    char *advertise; /* empty: host name and port */
    char *redis_url;
    struct redis_urls redis;
    /* Of roomcast-admin --move-rooms. */
    char *move_from_url, *move_to_url;
    struct redis_urls move_from, move_to;
    bool move_rooms, dry_run;
    char *redis_ca_file, *redis_cert_file, *redis_key_file; /* empty: none */
    char *redis_tls_name;                                   /* empty: the host's */
    char *sentinel_user, *sentinel_password;                /* empty: none */
    long ready_shards; /* percent; 0: 100 of one shard, 51 of several */
    char *key_prefix;
    char *admin_listen, *public_ws_urls; /* urls empty: from the page's host */
    char *auth_token;                    /* never empty for the admin service */
    char *admin_tokens_file;             /* empty: none */
    char *oidc_issuer_url;               /* empty: nobody signs in elsewhere */
    struct issuer_list oidc_issuer;      /* of it: one or none */
    char *oidc_client_id, *oidc_client_secret, *oidc_redirect_url, *oidc_claim;
    char *oidc_admin, *oidc_moderator,
        *oidc_viewer;  /* comma separated; empty: nobody */
    char *console_dir; /* empty: where it is installed or built */
    long admin_listeners, admin_failures, audit_entries;
    long http_connections, http_send_secs; /* of the admin and the ops port */
    long redis_deadline_ms;
    long workers; /* 0: one a core */
    long history_limit, history_max_bytes;
    long room_ttl_ms, lease_ms, dedupe_ms, keys_max;
    long presence_grace_ms, presence_events_max;
    long max_message_bytes, max_connections, max_rooms;
    long requests_per_sec, requests_burst; /* rate 0: no limit; burst is never 0 else */
    long bytes_per_sec, bytes_burst;       /* the same; a message fits into the burst */
    long messages_per_sec, messages_burst; /* the same */
    long joins_per_sec, joins_burst;       /* the same */
    char *trusted_proxies;                 /* empty: none */
    struct networks trusted;               /* of it */
    long proxy_protocol;                   /* 0 or 1 */
    /* Of one address; 0: no limit. */
    long address_pending_max, address_connections_max;
    long address_connects_per_sec, address_connects_burst; /* as requests */
    long user_connections_max;                             /* 0: no limit */
    long requests_in_flight;
    long send_queue_max_bytes, slow_secs;
    long queues_max_bytes;
    long flush_ms, presence_flush_ms;
    long handshake_secs, first_join_secs, ping_interval_secs, drain_ms;
    char *
        allowed_origins; /* "*" or a comma separated list; upgrade.h tells what counts */
    char *auth;
    char *jwt_secret; /* empty: none; one a line */
    char *jwt_audience, *jwt_user_claim, *jwt_rooms_claim;
    char *jwt_issuers;          /* empty: none */
    struct issuer_list issuers; /* of it */
    long jwks_refresh_secs;
    /* Of roomcast-admin token; empty: not given. */
    char *token_user, *token_name, *token_rooms;
    long token_secs;
    char *default_rights; /* empty: by `auth` */
    long jwt_leeway_secs, token_max_secs, auth_warn_secs;
    long guests; /* 0 or 1 */
    char *log_level;
    long echo;        /* 0 or 1; hidden: for conformance suites */
    bool healthcheck; /* see CONFIG_HEALTHCHECK */
};

/* What main does next: run, ask the one that runs (healthcheck.h), move rooms (admin/move.h), or exit
 * with 0 or 2. */
enum config_outcome {
    CONFIG_RUN,
    CONFIG_HEALTHCHECK,
    CONFIG_MOVE_ROOMS,
    CONFIG_EXIT_OK,
    CONFIG_EXIT_BAD
};

/* Reads the flags and the environment into `config` (zeroed by the caller). --help and
 * --version print to stdout: CONFIG_EXIT_OK. --healthcheck loads the settings too:
 * CONFIG_HEALTHCHECK. A bad setting prints one line `NAME:
 * reason` to stderr: CONFIG_EXIT_BAD. Sets log_max. Whatever comes out, deinit frees. */
enum config_outcome config_load(struct config *config, enum config_program program,
                                int argc, char **argv)
    __attribute__((warn_unused_result));

/* How many percent of so many shards must be up for /readyz to answer 200. */
unsigned config_ready_percent(const struct config *config, unsigned shards);

/* Frees what load made; accepts a zeroed struct, and may be called twice. */
void config_deinit(struct config *config);

/* Writes docs/configuration.md's text: every setting of every program. */
void config_print_markdown(FILE *out);

/* config_finish.c: for config.c. Sets what follows from other settings; false: some do not fit together, and one
 * line on stderr says which. config_warn logs what is let pass, but should not stay so. */
bool config_finish(struct config *config, enum config_program program)
    __attribute__((warn_unused_result));
void config_warn(const struct config *config);

#endif
