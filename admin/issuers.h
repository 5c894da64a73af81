/* issuers.h - the keys of each issuer (SPEC-PUBLIC P3): when they are read, and what is believed of the
 * answers.
 *
 *     issuers_tick -> hooks.get -> issuers_answer -> hooks.on_keys
 *
 * Each is read every ROOMCAST_JWKS_REFRESH_SECS, a tenth more or less, and again at once when it is wanted, but
 * ISSUERS_PAUSE_MS after the last time. After a failure it is tried again after that pause. A file is read when
 * it has changed. What is no set with a usable key changes nothing: the last keys count, without
 * end.
 *
 * Not here: sockets (fetch.h), Redis (fleet_keys.h). Time is passed in.
 */
#ifndef ADMIN_ISSUERS_H
#define ADMIN_ISSUERS_H

#include <stdbool.h>
#include <stdint.h>

#include "admin/fetch.h"
#include "common/issuer_list.h"
#include "common/strbuf.h"
#include "common/watched_file.h"

enum { ISSUERS_PAUSE_MS = 30000 };

/* X(id, word): what came of a reading. */
#define ISSUERS_RESULTS(X)                                                             \
    X(ISSUERS_READ, ok)                                                                \
    X(ISSUERS_UNREACHABLE, unreachable)                                                \
    X(ISSUERS_STATUS, status)                                                          \
    X(ISSUERS_TOO_LARGE, too_large)                                                    \
    X(ISSUERS_CONFIGURATION, configuration)                                            \
    X(ISSUERS_NO_SET, no_jwks)                                                         \
    X(ISSUERS_NO_KEY, no_key)

enum issuers_result {
#define X(id, word) id,
    ISSUERS_RESULTS(X)
#undef X
        ISSUERS_RESULTS_COUNT,
};

struct issuers;

struct issuer {
    struct issuers *in;
    const struct issuer_source *source;
    char *keys;    /* JWKS of what is usable; NULL: none were read yet */
    bool is_fresh; /* read, and not taken by the owner yet */
    size_t left_out;
    uint64_t read_ms;    /* when keys were read last, or the start */
    uint64_t fetched_at; /* the same in ms since 1970; 0: never */
    char *error;         /* of the last reading; NULL: none */
    uint64_t counts[ISSUERS_RESULTS_COUNT];

    uint64_t next_ms, asked_ms; /* asked 0: never */
    bool is_wanted, is_asked;
    bool has_configuration; /* and its keys are asked for */
    struct watched_file file;
};

struct issuers_hooks {
    /* Its owner answers by issuers_answer, later. */
    void (*get)(void *owner, struct issuer *issuer, const char *url);
    void (*on_keys)(void *owner, struct issuer *issuer);
    /* Of an issuer with a configuration, each time before its keys; may be NULL. */
    void (*on_configuration)(void *owner, struct json_text text);
    uint32_t (*random)(void *owner, uint32_t below);
};

/* Zeroed: none. */
struct issuers {
    struct issuer *all;
    size_t count;
    uint64_t refresh_ms;
    const struct issuers_hooks *hooks;
    void *owner;
    uint64_t now_ms, wall_ms; /* as of the last call */
};

/* `list` and `hooks` are borrowed. */
void issuers_init(struct issuers *issuers, const struct issuer_list *list,
                  uint64_t refresh_ms, const struct issuers_hooks *hooks, void *owner,
                  uint64_t now_ms);
void issuers_deinit(struct issuers *issuers);

/* Once a second. */
void issuers_tick(struct issuers *issuers, uint64_t now_ms, uint64_t wall_ms);

/* A gateway has met a key of this issuer that it does not know. */
void issuers_want(struct issuers *issuers, struct json_text name, uint64_t now_ms,
                  uint64_t wall_ms);

void issuers_answer(struct issuer *issuer, const struct fetch_answer *answer,
                    uint64_t now_ms, uint64_t wall_ms);

struct issuer *issuers_find(struct issuers *issuers, struct json_text name);

/* Adds the metrics of each, in Prometheus' text format. */
void issuers_print_metrics(const struct issuers *issuers, uint64_t now_ms,
                           struct strbuf *out);

#endif
