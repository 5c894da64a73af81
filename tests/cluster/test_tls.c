/* test_tls.c - a fleet whose Redis speaks TLS: it works, it says what is wrong with a certificate,
 * and certificates are renewed while it runs.
 *
 * Redis also listens without TLS, for the test's own eyes.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/fleet/admin.h"
#include "tests/support/fleet/chat.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/fleet/http_get.h"
#include "tests/support/redis/files.h"
#include "tests/support/redis/port.h"
#include "tests/support/redis/print.h"
#include "tests/support/redis/redis_cmd.h"
#include "tests/support/unit/certificates.h"
#include "tests/support/unit/quotes.h"
#include "tests/support/unit/wait.h"

enum { PATIENCE_MS = 60000, DAY_S = 86400, LARGE = 60000, LARGE_COUNT = 40 };

static struct fleet fleet;
static struct admin admin;
static struct certificates files;
static int tls_port;

#define SETTINGS_MAX 8

/* A URL at the host, and files; "" for none. */
struct place {
    const char *host, *ca, *certificate, *name;
};

static void add_file_setting(const char *settings[], unsigned *n, const char *name,
                             const char *file)
{
    if (file)
        settings[(*n)++] = print_text("%s=%s", name, certificates_path(&files, file));
}

/* To be freed, each. */
static void settings_of(const char *settings[SETTINGS_MAX], const struct place *place)
{
    char file[64];
    unsigned n = 0;

    settings[n++] = print_text("ROOMCAST_REDIS_URL=rediss://%s:%d",
                               place->host ? place->host : "127.0.0.1", tls_port);
    add_file_setting(settings, &n, "ROOMCAST_REDIS_CA_FILE",
                     place->ca ? place->ca : "ca.pem");
    if (place->certificate) {
        snprintf(file, sizeof(file), "%s.pem", place->certificate);
        add_file_setting(settings, &n, "ROOMCAST_REDIS_CERT_FILE", file);
        snprintf(file, sizeof(file), "%s.key", place->certificate);
        add_file_setting(settings, &n, "ROOMCAST_REDIS_KEY_FILE", file);
    }
    if (place->name)
        settings[n++] = print_text("ROOMCAST_REDIS_TLS_NAME=%s", place->name);
    settings[n++] = print_text("ROOMCAST_LEASE_SECS=2");
    settings[n] = NULL;
}

static void free_settings(const char *settings[SETTINGS_MAX])
{
    for (unsigned i = 0; settings[i]; i++)
        free((char *)settings[i]);
}

static unsigned launch(const struct place *place)
{
    const char *settings[SETTINGS_MAX];
    unsigned i;

    settings_of(settings, place);
    i = fleet_launch(&fleet, settings);
    free_settings(settings);
    return i;
}

static void expect_readyz(unsigned gateway, int status, const char *text)
{
    http_get_await(fleet.gateways[gateway].ops_port, "/readyz", status, text);
}

static void ask_server(const char *setting, const char *value)
{
    redis_cmd(fleet.redis_port, "CONFIG SET %s %s", setting, value);
}

static void set_server_certificate(const char *name)
{
    char pem[64], key[64];

    snprintf(pem, sizeof(pem), "%s.pem", name);
    snprintf(key, sizeof(key), "%s.key", name);
    redis_cmd(fleet.redis_port, "CONFIG SET tls-cert-file %s tls-key-file %s",
              certificates_path(&files, pem), certificates_path(&files, key));
}

/* ---- it works ---- */

static void people_talk_over_tls(void **state)
{
    struct chat *ann = chat_enter(fleet.gateways[0].port, "lobby", "ann");
    struct chat *bob = chat_enter(fleet.gateways[1].port, "lobby", "bob");
    static char text[LARGE + 1];

    (void)state;
    memset(text, 'x', LARGE);
    for (int i = 0; i < LARGE_COUNT; i++) {
        chat_say(ann, "lobby", text);
        chat_expect_skipping(bob, "message");
        assert_int_equal(strlen(chat_get_text(bob, "text")), LARGE);
    }
    chat_close(bob);
    chat_close(ann);
}

static void the_admin_service_does_its_work_over_tls(void **state)
{
    struct chat *ann = chat_enter(fleet.gateways[0].port, "office", "ann");

    (void)state;
    admin_get(&admin, 200, "/api/rooms/office");
    assert_int_equal(admin_number(&admin, "members"), 1);
    admin_post(&admin, 200, "{\"reason\":\"spam\"}", "/api/rooms/office/kick/ann");
    chat_expect_skipping(ann, "kicked");
    chat_close(ann);
}

static bool is_ready_again(void *data)
{
    const unsigned *lost = data; /* so many reconnects */

    return fleet_metric(&fleet, 0, q("roomcast_redis_reconnects_total{shard='0'}")) >=
               *lost &&
           http_get_status(fleet.gateways[0].ops_port, "/readyz") == 200;
}

static void a_cut_connection_comes_back_over_tls(void **state)
{
    struct chat *ann = chat_enter(fleet.gateways[0].port, "lobby", "ann");
    unsigned lost = (unsigned)fleet_metric(
        &fleet, 0, q("roomcast_redis_reconnects_total{shard='0'}"));

    (void)state;
    for (int i = 0; i < 3; i++) {
        redis_cmd(fleet.redis_port, "CLIENT KILL TYPE normal SKIPME yes");
        redis_cmd(fleet.redis_port, "CLIENT KILL TYPE pubsub");
        lost += 2; /* both links */
        assert_true(wait_until(is_ready_again, &lost, PATIENCE_MS));
    }
    chat_close(ann);
}

/* Nothing is read, and what was sent is given up by its deadline; the names stay as they are. */
static void a_redis_that_stops_is_waited_for(void **state)
{
    struct chat *ann = chat_enter(fleet.gateways[0].port, "lobby", "ann");

    (void)state;
    process_signal(&fleet.redis.process, SIGSTOP);
    chat_send(ann, "{'type':'message','room':'lobby','text':'hi','key':'k'}");
    chat_expect_skipping(ann, "error");
    assert_string_equal(chat_get_text(ann, "code"), "unavailable");
    process_signal(&fleet.redis.process, SIGCONT);
    fleet_wait_all_ready(&fleet);
    chat_close(ann);
}

/* ---- what is wrong is told ---- */

static const struct {
    struct place place;
    const char *server; /* its certificate */
    const char *clients, *protocols;
    const char *text;
} wrong[] = {
    {{.ca = "other-ca.pem"}, "redis", "no", "", "TLS: wrong CA"},
    {{.ca = "none.pem"}, "redis", "no", "", "ROOMCAST_REDIS_CA_FILE cannot be used"},
    {{.host = "localhost"}, "redis", "no", "", "TLS: wrong name"},
    {{.name = "other.test"}, "redis", "no", "", "TLS: wrong name"},
    {{0}, "expired", "no", "", "TLS: the server's certificate has expired"},
    {{0}, "early", "no", "", "TLS: the server's certificate is not valid yet"},
    {{0}, "redis", "yes", "", "TLS: client certificate wanted"},
    {{0}, "redis", "yes", "TLSv1.2", "TLS: client certificate wanted"},
    {{.certificate = "alien"}, "redis", "yes", "", "refuses the client certificate"},
    {{.certificate = "alien"},
     "redis",
     "yes",
     "TLSv1.2",
     "refuses the client certificate"},
    {{.certificate = "none"},
     "redis",
     "yes",
     "",
     "ROOMCAST_REDIS_CERT_FILE cannot be used"},
    {{.name = "redis.test"}, "redis", "no", "", "ready"},
    {{.certificate = "client"}, "redis", "yes", "", "ready"},
    {{.certificate = "client"}, "redis", "yes", "TLSv1.2", "ready"},
};

static void what_is_wrong_is_told_by_readyz_and_in_the_log(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        bool is_well = strcmp(wrong[i].text, "ready") == 0;
        unsigned gateway;

        print_message("  %s\n", wrong[i].text);
        set_server_certificate(wrong[i].server);
        ask_server("tls-auth-clients", wrong[i].clients);
        ask_server("tls-protocols", wrong[i].protocols);
        gateway = launch(&wrong[i].place);
        expect_readyz(gateway, is_well ? 200 : 503, wrong[i].text);
        if (!is_well)
            fleet_expect_logged(&fleet, gateway, wrong[i].text);
        fleet_stop_gateway(&fleet, gateway);
    }
    set_server_certificate("redis");
    ask_server("tls-auth-clients", "no");
    ask_server("tls-protocols", "");
}

static void a_port_without_tls_is_told(void **state)
{
    char *setting =
        print_text("ROOMCAST_REDIS_URL=rediss://127.0.0.1:%d", fleet.redis_port);
    unsigned gateway = fleet_launch(&fleet, (const char *[]){setting, NULL});

    (void)state;
    /* Redis waits for the end of the line, which a handshake may have or not. */
    expect_readyz(gateway, 503, "TLS: ");
    fleet_stop_gateway(&fleet, gateway);
    free(setting);
}

/* ---- certificates are renewed ---- */

static void copy_file(const char *from, const char *to, const char *mode)
{
    char *text = files_read(certificates_path(&files, from));
    FILE *file = fopen(certificates_path(&files, to), mode);

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    free(text);
}

static void cut_all(void)
{
    redis_cmd(fleet.redis_port, "CLIENT KILL TYPE normal SKIPME yes");
    redis_cmd(fleet.redis_port, "CLIENT KILL TYPE pubsub");
}

static void certificates_are_renewed_under_way(void **state)
{
    const struct place place = {.ca = "renewed-ca.pem", .certificate = "renewed"};
    struct chat *ann, *bob;
    unsigned gateway;

    (void)state;
    ask_server("tls-auth-clients", "yes");
    copy_file("ca.pem", "renewed-ca.pem", "we");
    certificates_add(&files, "renewed", &(struct certificate){0});
    gateway = launch(&place);
    expect_readyz(gateway, 200, "ready");
    ann = chat_enter(fleet.gateways[gateway].port, "renewed", "ann");
    bob = chat_enter(fleet.gateways[gateway].port, "renewed", "bob");

    /* Redis gets one of another CA, and wants such from clients: connections go on. */
    redis_cmd(fleet.redis_port, "CONFIG SET tls-ca-cert-file %s",
              certificates_path(&files, "other-ca.pem"));
    set_server_certificate("alien");
    chat_say(ann, "renewed", "with the old ones");
    chat_expect_skipping(bob, "message");

    /* The next ones do not, until the files are renewed here. */
    cut_all();
    expect_readyz(gateway, 503, "TLS: wrong CA");
    copy_file("other-ca.pem", "renewed-ca.pem", "ae"); /* both are good for a while */
    expect_readyz(gateway, 503, "refuses the client certificate");
    certificates_add(&files, "renewed", &(struct certificate){.signed_by = "other-ca"});
    expect_readyz(gateway, 200, "ready");
    chat_say(ann, "renewed", "with the new ones");
    do {
        assert_true(chat_recv(bob, CHAT_DEADLINE_MS));
        assert_string_not_equal(chat_get_text(bob, "type"), "member_left");
    } while (strcmp(chat_get_text(bob, "type"), "message") != 0 ||
             strcmp(chat_get_text(bob, "text"), "with the new ones") != 0);
    chat_close(ann);
    chat_close(bob);
    fleet_stop_gateway(&fleet, gateway);
    redis_cmd(fleet.redis_port, "CONFIG SET tls-ca-cert-file %s",
              certificates_path(&files, "ca.pem"));
    set_server_certificate("redis");
    ask_server("tls-auth-clients", "no");
}

/* ---- beginning and end ---- */

static void make_files(void)
{
    static const char names[] = "DNS:redis.test,IP:127.0.0.1";

    certificates_open(&files);
    certificates_add(&files, "other-ca", &(struct certificate){.is_ca = true});
    certificates_add(&files, "redis", &(struct certificate){.names = names});
    certificates_add(&files, "alien",
                     &(struct certificate){.names = names, .signed_by = "other-ca"});
    certificates_add(&files, "expired",
                     &(struct certificate){
                         .names = names, .begins_s = -2 * DAY_S, .ends_s = -DAY_S});
    certificates_add(
        &files, "early",
        &(struct certificate){.names = names, .begins_s = DAY_S, .ends_s = 2 * DAY_S});
    certificates_add(&files, "client", &(struct certificate){0});
}

static int start(void **state)
{
    static char port[16], paths[3][CERTIFICATES_PATH_MAX];
    static const char *const args[] = {"--tls-port",
                                       port,
                                       "--tls-auth-clients",
                                       "no",
                                       "--tls-ca-cert-file",
                                       paths[0],
                                       "--tls-cert-file",
                                       paths[1],
                                       "--tls-key-file",
                                       paths[2],
                                       NULL};
    const char *settings[SETTINGS_MAX];

    *state = &admin;
    tls_port = port_take();
    snprintf(port, sizeof(port), "%d", tls_port);
    strcpy(paths[0], certificates_path(&files, "ca.pem"));
    strcpy(paths[1], certificates_path(&files, "redis.pem"));
    strcpy(paths[2], certificates_path(&files, "redis.key"));
    settings_of(settings, &(struct place){0});
    fleet_start(&fleet, &(struct fleet_opts){
                            .gateways = 2, .settings = settings, .redis_args = args});
    admin_start(&admin, &fleet, settings);
    free_settings(settings);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(people_talk_over_tls),
        cmocka_unit_test(the_admin_service_does_its_work_over_tls),
        cmocka_unit_test(a_cut_connection_comes_back_over_tls),
        cmocka_unit_test(a_redis_that_stops_is_waited_for),
        cmocka_unit_test(what_is_wrong_is_told_by_readyz_and_in_the_log),
        cmocka_unit_test(a_port_without_tls_is_told),
        cmocka_unit_test(certificates_are_renewed_under_way),
    };
    int failed;

    make_files();
    failed = cmocka_run_group_tests(tests, start, admin_teardown);
    certificates_close(&files);
    return failed;
}
