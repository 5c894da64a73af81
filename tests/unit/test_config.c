/* test_config.c - settings from flags, the environment and files, and what is refused.
 *
 * `unit_config --print` writes what docs/configuration.md has to be.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/config.h"
#include "common/config_address.h"
#include "common/log.h"
#include "tests/support/unit/hear.h"

enum { ARGS_MAX = 8 };

static char source[1024]; /* the project's root */
static struct hearing hearing;
static char *const said = hearing.said;

static int forget_environment(void **state)
{
    (void)state;
    return clearenv();
}

/* Runs config_load over the `count` arguments; `said` is what it prints to `stream`. */
static enum config_outcome load_hearing(struct config *config,
                                        enum config_program program, FILE *stream,
                                        const char *const args[], int count)
{
    char *argv[ARGS_MAX + 1] = {"roomcast-gateway"};
    enum config_outcome outcome;

    assert_true(count < ARGS_MAX);
    for (int i = 0; i < count; i++)
        argv[i + 1] = (char *)args[i];
    hear_begin(&hearing, stream);
    outcome = config_load(config, program, count + 1, argv);
    hear_end(&hearing);
    return outcome;
}

static enum config_outcome load(struct config *config, const char *const args[],
                                int count)
{
    return load_hearing(config, CONFIG_GATEWAY, stderr, args, count);
}

static enum config_outcome load_admin(struct config *config)
{
    return load_hearing(config, CONFIG_ADMIN, stderr, NULL, 0);
}

static const struct {
    const char *flag, *from, *to, *text; /* NULL: it is fine */
} moves[] = {
    {"--move-rooms", "redis://a", "redis://b,redis://c", NULL},
    {"--move-rooms", "rediss+cluster://:x@a:1", "redis+unix:///r", NULL},
    {"--move-rooms", NULL, "redis://b",
     "ROOMCAST_MOVE_FROM: must be set for --move-rooms"},
    {"--move-rooms", "redis://a", NULL,
     "ROOMCAST_MOVE_TO: must be set for --move-rooms"},
    {"--move-rooms", "redis://:secret@a,", "redis://b", "ROOMCAST_MOVE_FROM: "},
    {"--dry-run", "redis://a", "redis://b", "--dry-run: is for --move-rooms"},
    {"--move-from=redis://a", NULL, "redis://b", "--move-from: there is no such flag"},
};

static void set_or_not(const char *name, const char *value)
{
    if (value)
        setenv(name, value, 1);
    else
        unsetenv(name);
}

static void rooms_are_moved_between_two_places_that_are_no_flags(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(moves) / sizeof(moves[0]); i++) {
        struct config config = {0};
        enum config_outcome outcome;

        print_message("  %s\n", moves[i].text ? moves[i].text : "fine");
        set_or_not("ROOMCAST_MOVE_FROM", moves[i].from);
        set_or_not("ROOMCAST_MOVE_TO", moves[i].to);
        outcome = load_hearing(&config, CONFIG_ADMIN, stderr, &moves[i].flag, 1);
        assert_int_equal(outcome, moves[i].text ? CONFIG_EXIT_BAD : CONFIG_MOVE_ROOMS);
        assert_true(!moves[i].text ||
                    strncmp(said, moves[i].text, strlen(moves[i].text)) == 0);
        assert_null(strstr(said, "secret"));
        config_deinit(&config);
    }
}

static void defaults_are_those_of_the_contract(void **state)
{
    struct config config = {0};

    (void)state;
    assert_int_equal(load(&config, NULL, 0), CONFIG_RUN);
    assert_string_equal(said, "");
    assert_string_equal(config.listen, "0.0.0.0:9001");
    assert_string_equal(config.ops_listen, "0.0.0.0:9101");
    assert_string_equal(config.advertise, "");
    assert_string_equal(config.redis_url, "redis://127.0.0.1:6379");
    assert_string_equal(config.redis.urls[0].hosts[0].host, "127.0.0.1");
    assert_string_equal(config.redis.urls[0].hosts[0].port, "6379");
    assert_null(config.redis.urls[0].password);
    assert_string_equal(config.key_prefix, "rc");
    assert_int_equal(config.history_limit, 100);
    assert_int_equal(config.lease_ms, 10000);
    assert_int_equal(config.queues_max_bytes, 268435456);
    assert_int_equal(config.joins_burst, 200);
    assert_int_equal(config.trusted.count, 0);
    assert_int_equal(config.proxy_protocol, 0);
    assert_int_equal(config.address_pending_max, 0);
    assert_int_equal(config.address_connections_max, 0);
    assert_int_equal(config.address_connects_per_sec, 0);
    assert_int_equal(config.user_connections_max, 0);
    assert_int_equal(config.messages_per_sec, 0);
    assert_string_equal(config.allowed_origins, "same-host");
    assert_false(config.echo);
    config_deinit(&config);
    config_deinit(&config);
}

static void a_flag_beats_the_environment_and_that_the_default(void **state)
{
    static const char *const args[] = {"--history-limit", "7", "--lease-secs=8",
                                       "--lease-secs=9.5"};
    struct config config = {0};

    (void)state;
    setenv("ROOMCAST_HISTORY_LIMIT", "50", 1);
    setenv("ROOMCAST_ROOM_TTL_SECS", "60", 1);
    setenv("ROOMCAST_DRAIN_SECS", "", 1);
    setenv("ROOMCAST_ECHO", "1", 1);
    assert_int_equal(load(&config, args, 4), CONFIG_RUN);
    assert_int_equal(config.history_limit, 7);
    assert_int_equal(config.lease_ms, 9500);
    assert_int_equal(config.room_ttl_ms, 60000);
    assert_int_equal(config.drain_ms, 20000);
    assert_true(config.echo);
    config_deinit(&config);
}

static void a_burst_of_0_is_the_rate(void **state)
{
    static const char *const args[] = {
        "--requests-per-sec=30", "--requests-burst=0",
        "--joins-burst=0",       "--bytes-burst=0",
        "--messages-per-sec=4",  "--address-connects-per-sec=5"};
    struct config config = {0};

    (void)state;
    assert_int_equal(load(&config, args, 6), CONFIG_RUN);
    assert_int_equal(config.messages_burst, 4);
    assert_int_equal(config.address_connects_burst, 5);
    assert_int_equal(config.requests_burst, 30);
    assert_int_equal(config.joins_burst, 20);
    assert_int_equal(config.bytes_burst, 262144);
    config_deinit(&config);
}

static void a_message_fits_into_the_bucket_of_bytes(void **state)
{
    static const char *const args[] = {"--bytes-per-sec=100", "--bytes-burst=0",
                                       "--max-message-bytes=2000000"};
    struct config config = {0};

    (void)state;
    assert_int_equal(load(&config, args, 3), CONFIG_RUN);
    assert_int_equal(config.bytes_burst, 2000000);
    assert_int_equal(config.bytes_per_sec, 100);
    config_deinit(&config);
}

static void the_log_level_takes_effect(void **state)
{
    static const char *const args[] = {"--log-level=warn"};
    struct config config = {0};

    (void)state;
    assert_int_equal(load(&config, args, 1), CONFIG_RUN);
    assert_int_equal(log_max, LOG_WARN);
    config_deinit(&config);
}

static const struct {
    const char *name, *value;
} bad[] = {
    {"ROOMCAST_LISTEN", "9001"},
    {"ROOMCAST_LISTEN", ":9001"},
    {"ROOMCAST_LISTEN", "::1:9001"},
    {"ROOMCAST_LISTEN", "[::1]"},
    {"ROOMCAST_LISTEN", "[::1:9001"},
    {"ROOMCAST_LISTEN", "[::1]x:9001"},
    {"ROOMCAST_OPS_LISTEN", "localhost:0"},
    {"ROOMCAST_OPS_LISTEN", "localhost:65536"},
    {"ROOMCAST_OPS_LISTEN", "localhost:+80"},
    {"ROOMCAST_OPS_LISTEN", "local host:80"},
    {"ROOMCAST_ADVERTISE", "two words"},
    {"ROOMCAST_KEY_PREFIX", "rc:"},
    {"ROOMCAST_KEY_PREFIX", "r\xc3\xa9"},
    {"ROOMCAST_KEY_PREFIX",
     "0123456789012345678901234567890123456789012345678901234567890123x"},
    {"ROOMCAST_HISTORY_LIMIT", "10001"},
    {"ROOMCAST_HISTORY_LIMIT", "-1"},
    {"ROOMCAST_HISTORY_LIMIT", "+1"},
    {"ROOMCAST_HISTORY_LIMIT", " 1"},
    {"ROOMCAST_HISTORY_LIMIT", "1 "},
    {"ROOMCAST_HISTORY_LIMIT", "0x10"},
    {"ROOMCAST_HISTORY_LIMIT", "100k"},
    {"ROOMCAST_HISTORY_LIMIT", "99999999999999999999"},
    {"ROOMCAST_DEDUPE_SECS", "0"},
    {"ROOMCAST_DEDUPE_SECS", "86401"},
    {"ROOMCAST_LEASE_SECS", "0"},
    {"ROOMCAST_LEASE_SECS", "0.099"},
    {"ROOMCAST_LEASE_SECS", "3600.001"},
    {"ROOMCAST_SLOW_SECS", "1.5"},
    {"ROOMCAST_ROOM_TTL_SECS", "0"},
    {"ROOMCAST_MAX_MESSAGE_BYTES", "255"},
    {"ROOMCAST_ALLOWED_ORIGINS", "https://a\nb"},
    {"ROOMCAST_ALLOWED_ORIGINS", "chat.example"},
    {"ROOMCAST_ALLOWED_ORIGINS", "https://chat.example/"},
    {"ROOMCAST_ALLOWED_ORIGINS", "https://"},
    {"ROOMCAST_ALLOWED_ORIGINS", "://chat.example"},
    {"ROOMCAST_ALLOWED_ORIGINS", "https://a b"},
    {"ROOMCAST_ALLOWED_ORIGINS", "*,https://a"},
    {"ROOMCAST_ALLOWED_ORIGINS", "https://a,,https://b"},
    {"ROOMCAST_ALLOWED_ORIGINS", "https://a,"},
    {"ROOMCAST_TRUSTED_PROXIES", "balancer"},
    {"ROOMCAST_TRUSTED_PROXIES", "10.0.0.0/33"},
    {"ROOMCAST_TRUSTED_PROXIES", "10.0.0.1,"},
    {"ROOMCAST_PROXY_PROTOCOL", "2"},
    {"ROOMCAST_ADDRESS_PENDING_MAX", "-1"},
    {"ROOMCAST_USER_CONNECTIONS_MAX", "1001"},
    {"ROOMCAST_AUTH", "None"},
    {"ROOMCAST_JWT_SECRET", "31 bytes, which are one too few"},
    {"ROOMCAST_JWT_SECRET",
     "a secret that is long enough for HS256\nand one that is not"},
    {"ROOMCAST_JWT_USER_CLAIM", "two words"},
    {"ROOMCAST_JWT_LEEWAY_SECS", "301"},
    {"ROOMCAST_TOKEN_MAX_SECS", "59"},
    {"ROOMCAST_AUTH_WARN_SECS", "0"},
    {"ROOMCAST_GUESTS", "2"},
    {"ROOMCAST_DEFAULT_RIGHTS", "rx"},
    {"ROOMCAST_FLUSH_MS", "1001"},
    {"ROOMCAST_LOG_LEVEL", "verbose"},
    {"ROOMCAST_ECHO", "2"},
    {"ROOMCAST_ECHO", "yes"},
    {"ROOMCAST_REDIS_URL", "127.0.0.1:6379"},
    {"ROOMCAST_REDIS_URL", "http://127.0.0.1"},
    {"ROOMCAST_REDIS_URL", "redis://"},
    {"ROOMCAST_REDIS_URL", "redis+cluster://"},
    {"ROOMCAST_REDIS_URL", "redis://:p@a:1,b:2"},
    {"ROOMCAST_REDIS_URL", "redis+cluster://a:1,redis://b:2"},
    {"ROOMCAST_REDIS_CERT_FILE", "/without/a/key"},
    {"ROOMCAST_REDIS_KEY_FILE", "/without/a/certificate"},
    {"ROOMCAST_REDIS_TLS_NAME", "two names"},
    {"ROOMCAST_SENTINEL_USER", "without-a-password"},
    {"ROOMCAST_READY_SHARDS", "101"},
};

/* One line, beginning with the name of the setting. */
static void assert_refusal(const char *name)
{
    size_t len = strlen(name);

    assert_int_equal(strncmp(said, name, len), 0);
    assert_int_equal(strncmp(said + len, ": ", 2), 0);
    assert_ptr_equal(strchr(said, '\n'), said + strlen(said) - 1);
}

static void a_bad_setting_is_one_line_with_its_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct config config = {0};

        print_message("  %s=%s\n", bad[i].name, bad[i].value);
        setenv(bad[i].name, bad[i].value, 1);
        assert_int_equal(load(&config, NULL, 0), CONFIG_EXIT_BAD);
        assert_refusal(bad[i].name);
        unsetenv(bad[i].name);
        config_deinit(&config);
    }
}

static const struct {
    const char *args[2];
    int count;
    const char *name; /* what the line begins with */
} bad_flags[] = {
    {{"--no-such"}, 1, "--no-such"},
    {{"--no-such=secret"}, 1, "--no-such"},
    {{"--history_limit", "1"}, 2, "--history_limit"},
    {{"--redis-url-file=/x"}, 1, "--redis-url-file"},
    {{"9001"}, 1, "9001"},
    {{"--"}, 1, "--"},
    {{""}, 1, ""},
    {{"-h"}, 1, "-h"},
    {{"--history-limit=1", "stray"}, 2, "stray"},
    {{"--history-limit"}, 1, "ROOMCAST_HISTORY_LIMIT"},
    {{"--history-limit="}, 1, "ROOMCAST_HISTORY_LIMIT"},
    {{"--history-limit", ""}, 2, "ROOMCAST_HISTORY_LIMIT"},
    {{"--history-limit", "many"}, 2, "ROOMCAST_HISTORY_LIMIT"},
    {{"--advertise="}, 1, "ROOMCAST_ADVERTISE"},
    {{"--auth-token=hunter2"}, 1, "--auth-token"},
    {{"--admin-listen=:8080"}, 1, "--admin-listen"}, /* not of the gateway */
};

static void a_bad_flag_is_one_line_too(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bad_flags) / sizeof(bad_flags[0]); i++) {
        struct config config = {0};

        print_message("  %s\n", bad_flags[i].args[0]);
        assert_int_equal(load(&config, bad_flags[i].args, bad_flags[i].count),
                         CONFIG_EXIT_BAD);
        assert_refusal(bad_flags[i].name);
        config_deinit(&config);
    }
}

static void the_admin_service_wants_a_token(void **state)
{
    struct config config = {0};

    (void)state;
    assert_int_equal(load_admin(&config), CONFIG_EXIT_BAD);
    assert_refusal("AUTH_TOKEN");
    config_deinit(&config);
    setenv("AUTH_TOKEN", "t", 1);
    assert_int_equal(load_admin(&config), CONFIG_RUN);
    assert_string_equal(config.auth_token, "t");
    config_deinit(&config);
}

/* More of them: test_redis_url.c. */
static void the_url_of_redis_is_taken_apart(void **state)
{
    struct config config = {0};

    (void)state;
    setenv("ROOMCAST_REDIS_URL", "redis://u%40x:p@h:65535/3", 1);
    assert_int_equal(load(&config, NULL, 0), CONFIG_RUN);
    assert_int_equal(config.redis.count, 1);
    assert_string_equal(config.redis.urls[0].user, "u@x");
    assert_string_equal(config.redis.urls[0].password, "p");
    assert_string_equal(config.redis.urls[0].hosts[0].host, "h");
    assert_string_equal(config.redis.urls[0].hosts[0].port, "65535");
    assert_int_equal(config.redis.urls[0].db, 3);
    config_deinit(&config);
}

static void a_refusal_does_not_show_the_password(void **state)
{
    static const char *const args[] = {"--redis-url=redis://u:hunter2@h:port"};
    struct config config = {0};

    (void)state;
    assert_int_equal(load(&config, args, 1), CONFIG_EXIT_BAD);
    assert_null(strstr(said, "hunter2"));
    config_deinit(&config);
}

/* The flags of a process are in the list that all users of the machine can read. */
static void a_password_in_a_flag_is_refused_for_both_programs(void **state)
{
    static const char *const args[][2] = {
        {"--redis-url=redis://:hunter2@h", NULL},
        {"--redis-url", "redis://u:hunter2@h:6379/1"},
        {"--redis-url", "redis://u:hunter%32@h"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(args) / sizeof(args[0]); i++) {
        struct config config = {0};

        assert_int_equal(load(&config, args[i], args[i][1] ? 2 : 1), CONFIG_EXIT_BAD);
        assert_refusal("ROOMCAST_REDIS_URL");
        assert_non_null(strstr(said, "ROOMCAST_REDIS_URL_FILE"));
        assert_null(strstr(said, "hunter"));
        config_deinit(&config);
    }
}

/* Writes `text` into a new file, and names it in ROOMCAST_REDIS_URL_FILE. */
static void put_into_file(char path[32], const char *text, size_t len)
{
    int fd;

    strcpy(path, "/tmp/roomcast-config-XXXXXX");
    fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, len), len);
    close(fd);
    setenv("ROOMCAST_REDIS_URL_FILE", path, 1);
}

static void a_secret_can_come_from_a_file(void **state)
{
    static const char text[] = "redis://:p@filehost\r\n\n";
    struct config config = {0};
    char path[32];

    (void)state;
    put_into_file(path, text, sizeof(text) - 1);
    assert_int_equal(load(&config, NULL, 0), CONFIG_RUN);
    assert_string_equal(config.redis.urls[0].hosts[0].host, "filehost");
    assert_string_equal(config.redis_url, "redis://:p@filehost");
    unlink(path);
    config_deinit(&config);
}

static void a_flag_beats_the_file_too(void **state)
{
    static const char *const args[] = {"--redis-url=redis://flaghost"};
    struct config config = {0};

    (void)state;
    setenv("ROOMCAST_REDIS_URL_FILE", "/does/not/exist", 1);
    assert_int_equal(load(&config, args, 1), CONFIG_RUN);
    assert_string_equal(config.redis.urls[0].hosts[0].host, "flaghost");
    config_deinit(&config);
}

static void a_file_that_cannot_be_is_refused(void **state)
{
    static char large[20000];
    struct config config = {0};
    char path[32];

    (void)state;
    setenv("ROOMCAST_REDIS_URL_FILE", "/does/not/exist", 1);
    assert_int_equal(load(&config, NULL, 0), CONFIG_EXIT_BAD);
    assert_refusal("ROOMCAST_REDIS_URL_FILE");

    setenv("ROOMCAST_REDIS_URL_FILE", "/", 1);
    assert_int_equal(load(&config, NULL, 0), CONFIG_EXIT_BAD);
    assert_refusal("ROOMCAST_REDIS_URL_FILE");

    memset(large, 'x', sizeof(large));
    put_into_file(path, large, sizeof(large));
    assert_int_equal(load(&config, NULL, 0), CONFIG_EXIT_BAD);
    assert_refusal("ROOMCAST_REDIS_URL_FILE");
    unlink(path);

    put_into_file(path, "\n", 1);
    assert_int_equal(load(&config, NULL, 0), CONFIG_EXIT_BAD);
    assert_refusal("ROOMCAST_REDIS_URL_FILE");
    setenv("ROOMCAST_REDIS_URL", "redis://h", 1);
    assert_int_equal(load(&config, NULL, 0), CONFIG_EXIT_BAD);
    assert_refusal("ROOMCAST_REDIS_URL");
    unlink(path);
    config_deinit(&config);
}

static void help_lists_settings_and_hides_what_is_hidden(void **state)
{
    static const char *const args[] = {"--history-limit=1", "--help", "--no-such"};
    struct config config = {0};

    (void)state;
    assert_int_equal(load_hearing(&config, CONFIG_GATEWAY, stdout, args, 3),
                     CONFIG_EXIT_OK);
    assert_non_null(strstr(said, "\n  --history-limit  (0 to 10000)\n"));
    assert_non_null(
        strstr(said, "default: 100; environment: ROOMCAST_HISTORY_LIMIT\n"));
    assert_non_null(strstr(said, "ROOMCAST_REDIS_URL_FILE"));
    assert_null(strstr(said, "ECHO"));
    config_deinit(&config);
}

static void version_is_the_name_and_the_number(void **state)
{
    static const char *const args[] = {"--version"};
    struct config config = {0};

    (void)state;
    assert_int_equal(load_hearing(&config, CONFIG_GATEWAY, stdout, args, 1),
                     CONFIG_EXIT_OK);
    assert_string_equal(said, "roomcast-gateway " ROOMCAST_VERSION "\n");
    config_deinit(&config);
}

static void a_healthcheck_reads_the_settings_first(void **state)
{
    static const char *const args[] = {"--healthcheck", "--ops-listen=127.0.0.1:9"};
    static const char *const wrong[] = {"--healthcheck", "--ops-listen=nowhere"};
    struct config config = {0};

    (void)state;
    assert_int_equal(load(&config, args, 2), CONFIG_HEALTHCHECK);
    assert_string_equal(config.ops_listen, "127.0.0.1:9");
    config_deinit(&config);
    assert_int_equal(load(&config, wrong, 2), CONFIG_EXIT_BAD);
    config_deinit(&config);
}

static void the_passwords_of_the_examples_are_warned_about(void **state)
{
    struct config config = {0};

    (void)state;
    setenv("ROOMCAST_REDIS_URL", "redis://:change-me-please@h", 1);
    assert_int_equal(load(&config, NULL, 0), CONFIG_RUN);
    assert_non_null(strstr(said, " WARN example_secret of=ROOMCAST_REDIS_URL "));
    assert_null(strstr(said, "change-me"));
    config_deinit(&config);
    setenv("ROOMCAST_REDIS_URL", "redis://:unchanged@h", 1);
    setenv("AUTH_TOKEN", "change-me", 1);
    assert_int_equal(load_admin(&config), CONFIG_RUN);
    assert_non_null(strstr(said, " WARN example_secret of=AUTH_TOKEN "));
    assert_null(strstr(said, "REDIS"));
    config_deinit(&config);
}

static void an_address_is_split_at_its_port(void **state)
{
    static const struct {
        const char *address, *host, *port;
    } good[] = {
        {"0.0.0.0:9001", "0.0.0.0", "9001"},
        {"[::]:9001", "::", "9001"},
        {"name:1", "name", "1"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        char *host, *port;

        assert_int_equal(config_split_address(good[i].address, NULL, &host, &port), 0);
        assert_string_equal(host, good[i].host);
        assert_string_equal(port, good[i].port);
        free(host);
        free(port);
    }
}

static void the_documentation_is_what_the_table_says(void **state)
{
    char path[sizeof(source) + 32], *printed = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&printed, &len), *doc;

    (void)state;
    assert_non_null(out);
    config_print_markdown(out);
    fclose(out);
    snprintf(path, sizeof(path), "%s/docs/configuration.md", source);
    doc = fopen(path, "r");
    assert_non_null(doc);
    said[fread(said, 1, HEAR_BYTES - 1, doc)] = '\0';
    fclose(doc);
    if (strcmp(said, printed) != 0)
        fail_msg("write it again: build/tests/unit_config --print >%s", path);
    free(printed);
}

static void issuers_want_an_audience(void **state)
{
    static const char *const args[] = {"--jwt-audience="};
    struct config config = {0};

    (void)state;
    setenv("AUTH_TOKEN", "t", 1);
    setenv("ROOMCAST_JWT_ISSUERS", "https://a.example,b=/etc/b.json", 1);
    assert_int_equal(load_hearing(&config, CONFIG_ADMIN, stderr, args, 1),
                     CONFIG_EXIT_BAD);
    assert_memory_equal(said, "ROOMCAST_JWT_AUDIENCE: must not be empty", 40);
    config_deinit(&config);
    assert_int_equal(load_admin(&config), CONFIG_RUN);
    assert_int_equal(config.issuers.count, 2);
    assert_string_equal(config.jwt_audience, "roomcast");
    config_deinit(&config);
    unsetenv("ROOMCAST_JWT_ISSUERS");
    assert_int_equal(load_hearing(&config, CONFIG_ADMIN, stderr, args, 1), CONFIG_RUN);
    assert_string_equal(config.jwt_audience, "");
    config_deinit(&config);
    setenv("ROOMCAST_JWT_ISSUERS", "http://a.example", 1);
    assert_int_equal(load_admin(&config), CONFIG_EXIT_BAD);
    assert_memory_equal(said, "ROOMCAST_JWT_ISSUERS: ", 22);
    config_deinit(&config);
}

static void a_token_wants_a_user_and_a_secret(void **state)
{
    static const char *const args[] = {"--user=ann", "--secs=60"};
    struct config config = {0};

    (void)state;
    assert_int_equal(load_hearing(&config, CONFIG_TOKEN, stderr, args, 2),
                     CONFIG_EXIT_BAD);
    assert_memory_equal(said, "ROOMCAST_JWT_SECRET: ", 21);
    config_deinit(&config);
    setenv("ROOMCAST_JWT_SECRET", "a secret of thirty-two bytes, or more", 1);
    assert_int_equal(load_hearing(&config, CONFIG_TOKEN, stderr, args + 1, 1),
                     CONFIG_EXIT_BAD);
    assert_memory_equal(said, "--user: ", 8);
    config_deinit(&config);
    assert_int_equal(load_hearing(&config, CONFIG_TOKEN, stderr, args, 2), CONFIG_RUN);
    assert_string_equal(config.token_user, "ann");
    assert_int_equal(config.token_secs, 60);
    config_deinit(&config);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            rooms_are_moved_between_two_places_that_are_no_flags, forget_environment,
            forget_environment),
        cmocka_unit_test(defaults_are_those_of_the_contract),
        cmocka_unit_test_setup(a_flag_beats_the_environment_and_that_the_default,
                               forget_environment),
        cmocka_unit_test_setup(a_burst_of_0_is_the_rate, forget_environment),
        cmocka_unit_test_setup(a_message_fits_into_the_bucket_of_bytes,
                               forget_environment),
        cmocka_unit_test_setup(the_log_level_takes_effect, forget_environment),
        cmocka_unit_test_setup(a_bad_setting_is_one_line_with_its_name,
                               forget_environment),
        cmocka_unit_test_setup(a_bad_flag_is_one_line_too, forget_environment),
        cmocka_unit_test_setup(the_admin_service_wants_a_token, forget_environment),
        cmocka_unit_test_setup(the_url_of_redis_is_taken_apart, forget_environment),
        cmocka_unit_test_setup(a_password_in_a_flag_is_refused_for_both_programs,
                               forget_environment),
        cmocka_unit_test_setup(a_refusal_does_not_show_the_password,
                               forget_environment),
        cmocka_unit_test_setup(a_secret_can_come_from_a_file, forget_environment),
        cmocka_unit_test_setup(a_flag_beats_the_file_too, forget_environment),
        cmocka_unit_test_setup(a_file_that_cannot_be_is_refused, forget_environment),
        cmocka_unit_test_setup(help_lists_settings_and_hides_what_is_hidden,
                               forget_environment),
        cmocka_unit_test_setup(version_is_the_name_and_the_number, forget_environment),
        cmocka_unit_test_setup(a_healthcheck_reads_the_settings_first,
                               forget_environment),
        cmocka_unit_test_setup(the_passwords_of_the_examples_are_warned_about,
                               forget_environment),
        cmocka_unit_test_setup(issuers_want_an_audience, forget_environment),
        cmocka_unit_test_setup(a_token_wants_a_user_and_a_secret, forget_environment),
        cmocka_unit_test(an_address_is_split_at_its_port),
        cmocka_unit_test(the_documentation_is_what_the_table_says),
    };
    const char *root = getenv("ROOMCAST_SOURCE");

    if (argc == 2 && strcmp(argv[1], "--print") == 0) {
        config_print_markdown(stdout);
        return 0;
    }
    snprintf(source, sizeof(source), "%s", root ? root : ".");
    clearenv();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
