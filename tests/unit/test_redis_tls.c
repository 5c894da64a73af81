/* test_redis_tls.c - TLS without a socket, against a server of OpenSSL in memory: whom it believes,
 * what it says of whom it does not, and that bytes may come in any pieces.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "common/redis_tls.h"
#include "tests/support/unit/certificates.h"

enum { DAY_S = 86400, ROUNDS_MAX = 50, LARGE = 1000000 };

static struct certificates files;
static struct config config;

/* ---- a server ---- */

static struct {
    SSL_CTX *context;
    SSL *ssl;
    char sni[64];
} server;

static int on_sni(SSL *ssl, int *alert, void *arg)
{
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

    (void)alert, (void)arg;
    snprintf(server.sni, sizeof(server.sni), "%s", name ? name : "");
    return SSL_TLSEXT_ERR_OK;
}

/* `name` is its certificate; `trusts` who signed those of clients, which it wants then. */
static void serve(const char *name, const char *trusts, int version)
{
    char file[32];

    server.context = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_security_level(server.context, 0);
    SSL_CTX_set_max_proto_version(server.context, version);
    SSL_CTX_set_tlsext_servername_callback(server.context, on_sni);
    snprintf(file, sizeof(file), "%s.pem", name);
    assert_int_equal(SSL_CTX_use_certificate_file(server.context,
                                                  certificates_path(&files, file),
                                                  SSL_FILETYPE_PEM),
                     1);
    snprintf(file, sizeof(file), "%s.key", name);
    assert_int_equal(SSL_CTX_use_PrivateKey_file(server.context,
                                                 certificates_path(&files, file),
                                                 SSL_FILETYPE_PEM),
                     1);
    if (trusts) {
        snprintf(file, sizeof(file), "%s.pem", trusts);
        assert_int_equal(
            SSL_CTX_load_verify_file(server.context, certificates_path(&files, file)),
            1);
        SSL_CTX_set_verify(server.context,
                           SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    }
    server.ssl = SSL_new(server.context);
    SSL_set_bio(server.ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_accept_state(server.ssl);
}

static void stop_serving(void)
{
    SSL_free(server.ssl);
    SSL_CTX_free(server.context);
    memset(&server, 0, sizeof(server));
}

/* ---- the two of them ---- */

static void to_server(struct redis_tls *tls)
{
    struct strbuf *out = redis_tls_out(tls);

    if (out->len > 0)
        assert_int_equal(BIO_write(SSL_get_rbio(server.ssl), out->data, (int)out->len),
                         out->len);
    strbuf_reset(out, 0);
}

/* What the server has sent, `piece` bytes at a time; what is plain is added to `plain`. The
 * last answer of redis_tls_read. */
static ssize_t from_server(struct redis_tls *tls, int piece, struct strbuf *plain)
{
    static char bytes[4096], out[4096];
    ssize_t n = 0;
    int len;

    while (n >= 0 && (len = BIO_read(SSL_get_wbio(server.ssl), bytes, piece)) > 0) {
        char *copy = malloc((size_t)len); /* of their own, so that a sanitizer sees */

        memcpy(copy, bytes, (size_t)len);
        redis_tls_feed(tls, copy, (size_t)len);
        while ((n = redis_tls_read(tls, out, sizeof(out))) > 0)
            strbuf_add(plain, out, (size_t)n);
        free(copy);
    }
    return n;
}

/* Until nothing more comes. Negative: the client has ended it. */
static ssize_t talk(struct redis_tls *tls, int piece, struct strbuf *plain)
{
    char bytes[64];
    ssize_t n;

    redis_tls_feed(tls, NULL, 0);
    n = redis_tls_read(tls, bytes, sizeof(bytes));
    for (int i = 0; n >= 0 && i < ROUNDS_MAX; i++) {
        to_server(tls);
        if (!SSL_is_init_finished(server.ssl))
            SSL_do_handshake(server.ssl);
        n = from_server(tls, piece, plain);
    }
    return n;
}

/* Why a client with the settings of now does not connect to `host`. */
static enum redis_why why_not(const char *host)
{
    struct strbuf plain = {NULL, 0, 0};
    struct redis_loss loss = {REDIS_WHY_NOT_KNOWN, NULL};
    struct redis_tls *tls = redis_tls_new(&config, host, &loss);

    if (tls && talk(tls, 4096, &plain) < 0) {
        loss = redis_tls_loss(tls);
        assert_non_null(loss.text);
        assert_true(loss.why != REDIS_WHY_NOT_KNOWN);
    }
    strbuf_deinit(&plain);
    redis_tls_free(tls);
    return loss.why;
}

static char *path_of(const char *file)
{
    return strdup(certificates_path(&files, file));
}

static void set(char **setting, const char *file)
{
    free(*setting);
    *setting = file[0] ? path_of(file) : strdup("");
}

static void set_text(char **setting, const char *text)
{
    free(*setting);
    *setting = strdup(text);
}

static int start(void **state)
{
    (void)state;
    set(&config.redis_ca_file, "ca.pem");
    set(&config.redis_cert_file, "");
    set(&config.redis_key_file, "");
    set_text(&config.redis_tls_name, "");
    return 0;
}

static int stop(void **state)
{
    (void)state;
    stop_serving();
    free(config.redis_ca_file);
    free(config.redis_cert_file);
    free(config.redis_key_file);
    free(config.redis_tls_name);
    memset(&config, 0, sizeof(config));
    return 0;
}

/* ---- bytes ---- */

static void say_and_hear(int piece, int version)
{
    static char large[LARGE];
    struct strbuf plain = {NULL, 0, 0};
    struct redis_loss loss;
    struct redis_tls *tls = redis_tls_new(&config, "redis.test", &loss);
    size_t got = 0, n;

    memset(large, 'x', sizeof(large));
    serve("redis", NULL, version);
    assert_non_null(tls);
    assert_false(redis_tls_is_open(tls));
    assert_int_equal(talk(tls, piece, &plain), 0);
    assert_true(redis_tls_is_open(tls));
    assert_true(redis_tls_write(tls, large, LARGE));
    to_server(tls);
    while (got < LARGE && SSL_read_ex(server.ssl, large, sizeof(large), &n) == 1)
        got += n;
    assert_int_equal(got, LARGE);
    assert_int_equal(SSL_write(server.ssl, large, LARGE), LARGE);
    assert_int_equal(from_server(tls, piece, &plain), 0);
    assert_int_equal(plain.len, LARGE);
    assert_memory_equal(plain.data, large, LARGE);
    strbuf_deinit(&plain);
    redis_tls_free(tls);
    stop_serving();
}

static void bytes_go_both_ways_in_any_pieces(void **state)
{
    (void)state;
    say_and_hear(4096, 0);
    say_and_hear(1, 0);
    say_and_hear(7, TLS1_2_VERSION);
}

static void an_end_of_the_server_is_an_end(void **state)
{
    struct strbuf plain = {NULL, 0, 0};
    struct redis_loss loss;
    struct redis_tls *tls = redis_tls_new(&config, "redis.test", &loss);

    (void)state;
    serve("redis", NULL, 0);
    assert_int_equal(talk(tls, 4096, &plain), 0);
    SSL_shutdown(server.ssl);
    assert_true(from_server(tls, 4096, &plain) < 0);
    assert_int_equal(redis_tls_loss(tls).why, REDIS_WHY_NOT_KNOWN);
    strbuf_deinit(&plain);
    redis_tls_free(tls);
}

/* What is no TLS, or was changed on the way, ends it and nothing else. */
static void garbage_ends_it(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        enum redis_why why;
    } cases[] = {
        {"-ERR unknown command\r\n", 22, REDIS_WHY_TLS_NONE},
        {"HTTP/1.1 400 Bad Request\r\n\r\n", 28, REDIS_WHY_TLS_NONE},
        {"\x16\x03\x03\x00\x04\xff\x00\x00\x00", 9, REDIS_WHY_TLS},
        {"\x15\x03\x03\x00\x02\x02\x28", 7, REDIS_WHY_TLS}, /* an alert */
        {"\x17\x03\x03\x00\x01x", 6, REDIS_WHY_TLS},        /* data, too early */
        {"\x17\x03\x03\xff\xff garbage", 13, REDIS_WHY_TLS},
    };
    char out[64];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct redis_loss loss;
        struct redis_tls *tls = redis_tls_new(&config, "redis.test", &loss);

        redis_tls_feed(tls, cases[i].bytes, cases[i].len);
        assert_true(redis_tls_read(tls, out, sizeof(out)) < 0);
        loss = redis_tls_loss(tls);
        print_message("  %s\n", loss.text);
        assert_int_equal(loss.why, cases[i].why);
        redis_tls_free(tls);
    }
}

static void a_changed_byte_ends_it(void **state)
{
    struct strbuf plain = {NULL, 0, 0};
    struct redis_loss loss;
    struct redis_tls *tls = redis_tls_new(&config, "redis.test", &loss);
    char bytes[256], out[256];
    int len;

    (void)state;
    serve("redis", NULL, 0);
    assert_int_equal(talk(tls, 4096, &plain), 0);
    SSL_write(server.ssl, "+OK\r\n", 5);
    len = BIO_read(SSL_get_wbio(server.ssl), bytes, sizeof(bytes));
    bytes[len - 1] ^= 1;
    redis_tls_feed(tls, bytes, (size_t)len);
    assert_true(redis_tls_read(tls, out, sizeof(out)) < 0);
    assert_int_equal(redis_tls_loss(tls).why, REDIS_WHY_TLS);
    strbuf_deinit(&plain);
    redis_tls_free(tls);
}

/* ---- whom it believes ---- */

static const struct {
    const char *certificate, *host, *tls_name, *ca_file;
    enum redis_why why;
} servers[] = {
    {"redis", "redis.test", "", "ca.pem", REDIS_WHY_NOT_KNOWN},
    {"redis", "127.0.0.1", "", "ca.pem", REDIS_WHY_NOT_KNOWN},
    {"redis", "::1", "", "ca.pem", REDIS_WHY_NOT_KNOWN},
    {"redis", "anything", "redis.test", "ca.pem", REDIS_WHY_NOT_KNOWN},
    {"redis", "redis.test", "other.test", "ca.pem", REDIS_WHY_TLS_NAME},
    {"redis", "other.test", "", "ca.pem", REDIS_WHY_TLS_NAME},
    {"redis", "127.0.0.2", "", "ca.pem", REDIS_WHY_TLS_NAME},
    {"redis", "a.redis.test", "", "ca.pem", REDIS_WHY_TLS_NAME},
    {"redis", "test", "", "ca.pem", REDIS_WHY_TLS_NAME},
    {"redis", "", "", "ca.pem", REDIS_WHY_TLS_NAME},
    {"wild", "a.wild.test", "", "ca.pem", REDIS_WHY_NOT_KNOWN},
    {"wild", "a.b.wild.test", "", "ca.pem", REDIS_WHY_TLS_NAME},
    {"nameless", "127.0.0.1", "", "ca.pem", REDIS_WHY_TLS_NAME},
    {"redis", "redis.test", "", "other-ca.pem", REDIS_WHY_TLS_CA},
    {"redis", "redis.test", "", "", REDIS_WHY_TLS_CA}, /* the system's */
    {"alien", "redis.test", "", "ca.pem", REDIS_WHY_TLS_CA},
    {"selfmade", "selfmade", "", "ca.pem", REDIS_WHY_TLS_CA},
    {"expired", "redis.test", "", "ca.pem", REDIS_WHY_TLS_EXPIRED},
    {"early", "redis.test", "", "ca.pem", REDIS_WHY_TLS_EARLY},
    {"redis", "redis.test", "", "both.pem", REDIS_WHY_NOT_KNOWN},
    {"alien", "redis.test", "", "both.pem", REDIS_WHY_NOT_KNOWN},
    {"redis", "redis.test", "", "torn.pem", REDIS_WHY_TLS_CA_FILE},
    {"redis", "redis.test", "", "empty.pem", REDIS_WHY_TLS_CA_FILE},
    {"redis", "redis.test", "", "none.pem", REDIS_WHY_TLS_CA_FILE},
    {"redis", "redis.test", "", "ca.key", REDIS_WHY_TLS_CA_FILE},
    {"redis", "redis.test", "", "/", REDIS_WHY_TLS_CA_FILE},
};

static void only_the_right_server_is_believed(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(servers) / sizeof(servers[0]); i++) {
        print_message("  %s at %s: %s\n", servers[i].certificate, servers[i].host,
                      redis_why_text(servers[i].why));
        set(&config.redis_ca_file, servers[i].ca_file);
        set_text(&config.redis_tls_name, servers[i].tls_name);
        serve(servers[i].certificate, NULL, 0);
        assert_int_equal(why_not(servers[i].host), servers[i].why);
        stop_serving();
    }
}

/* No certificate has it, nor does any server. */
static void a_name_that_is_too_long_is_refused(void **state)
{
    char host[400];

    (void)state;
    memset(host, 'h', sizeof(host) - 1);
    host[sizeof(host) - 1] = '\0';
    assert_int_equal(why_not(host), REDIS_WHY_TLS_NAME);
}

static void the_server_is_told_the_name_but_no_address(void **state)
{
    (void)state;
    serve("redis", NULL, 0);
    assert_int_equal(why_not("redis.test"), REDIS_WHY_NOT_KNOWN);
    assert_string_equal(server.sni, "redis.test");
    stop_serving();
    serve("redis", NULL, 0);
    assert_int_equal(why_not("127.0.0.1"), REDIS_WHY_NOT_KNOWN);
    assert_string_equal(server.sni, "");
}

static void tls_1_1_is_not_spoken(void **state)
{
    (void)state;
    serve("redis", NULL, TLS1_1_VERSION);
    assert_int_equal(why_not("redis.test"), REDIS_WHY_TLS_VERSION);
}

/* ---- its own certificate ---- */

static const struct {
    const char *cert_file, *key_file;
    enum redis_why why;
} clients[] = {
    {"", "", REDIS_WHY_TLS_WANTED},
    {"client.pem", "client.key", REDIS_WHY_NOT_KNOWN},
    {"alien.pem", "alien.key", REDIS_WHY_TLS_REFUSED},
    {"expired.pem", "expired.key", REDIS_WHY_TLS_REFUSED},
    {"none.pem", "client.key", REDIS_WHY_TLS_CERT_FILE},
    {"client.key", "client.key", REDIS_WHY_TLS_CERT_FILE},
    {"client.pem", "none.key", REDIS_WHY_TLS_KEY_FILE},
    {"client.pem", "client.pem", REDIS_WHY_TLS_KEY_FILE},
    {"client.pem", "redis.key", REDIS_WHY_TLS_KEY_FILE},
    {"client.pem", "locked.key", REDIS_WHY_TLS_KEY_FILE},
};

static void a_server_may_want_a_certificate(void **state)
{
    static const int versions[] = {TLS1_2_VERSION, 0};

    (void)state;
    for (size_t i = 0; i < sizeof(clients) / sizeof(clients[0]); i++)
        for (int v = 0; v < 2; v++) {
            print_message("  %s %s: %s\n", clients[i].cert_file, clients[i].key_file,
                          redis_why_text(clients[i].why));
            set(&config.redis_cert_file, clients[i].cert_file);
            set(&config.redis_key_file, clients[i].key_file);
            serve("redis", "ca", versions[v]);
            assert_int_equal(why_not("redis.test"), clients[i].why);
            stop_serving();
        }
}

static void files_are_read_again_each_time(void **state)
{
    (void)state;
    certificates_add(&files, "late-ca", &(struct certificate){.is_ca = true});
    set(&config.redis_ca_file, "late-ca.pem");
    serve("redis", NULL, 0);
    assert_int_equal(why_not("redis.test"), REDIS_WHY_TLS_CA);
    stop_serving();
    certificates_add(
        &files, "late",
        &(struct certificate){.names = "DNS:redis.test", .signed_by = "late-ca"});
    serve("late", NULL, 0);
    assert_int_equal(why_not("redis.test"), REDIS_WHY_NOT_KNOWN);
    stop_serving();
    certificates_add(&files, "late-ca", &(struct certificate){.is_ca = true});
    serve("late", NULL, 0);
    assert_int_equal(why_not("redis.test"), REDIS_WHY_TLS_CA);
}

/* ---- the files ---- */

static void lock_key(void)
{
    FILE *file = fopen(certificates_path(&files, "client.key"), "re");
    EVP_PKEY *key = PEM_read_PrivateKey(file, NULL, NULL, NULL);

    fclose(file);
    file = fopen(certificates_path(&files, "locked.key"), "we");
    PEM_write_PrivateKey(file, key, EVP_aes_128_cbc(), (const unsigned char *)"hush", 4,
                         NULL, NULL);
    fclose(file);
    EVP_PKEY_free(key);
}

/* Adds the first bytes of a file to another one, with a word in front. */
static void add_to(const char *to, const char *from, size_t len)
{
    char bytes[4096];
    FILE *file = fopen(certificates_path(&files, from), "re");
    size_t n = fread(bytes, 1, sizeof(bytes), file);

    fclose(file);
    file = fopen(certificates_path(&files, to), "ae");
    fprintf(file, "# %s\n%.*s", from, (int)(len < n ? len : n), bytes);
    fclose(file);
}

static int make_files(void **state)
{
    static const char names[] = "DNS:redis.test,IP:127.0.0.1,IP:::1";

    (void)state;
    certificates_open(&files);
    certificates_add(&files, "other-ca", &(struct certificate){.is_ca = true});
    certificates_add(&files, "redis", &(struct certificate){.names = names});
    certificates_add(&files, "wild", &(struct certificate){.names = "DNS:*.wild.test"});
    certificates_add(&files, "nameless", &(struct certificate){0});
    certificates_add(&files, "selfmade", &(struct certificate){.is_ca = true});
    certificates_add(&files, "alien",
                     &(struct certificate){.names = names, .signed_by = "other-ca"});
    certificates_add(&files, "expired",
                     &(struct certificate){
                         .names = names, .begins_s = -2 * DAY_S, .ends_s = -DAY_S});
    certificates_add(
        &files, "early",
        &(struct certificate){.names = names, .begins_s = DAY_S, .ends_s = 2 * DAY_S});
    certificates_add(&files, "client", &(struct certificate){0});
    lock_key();
    add_to("both.pem", "other-ca.pem", SIZE_MAX);
    add_to("both.pem", "ca.pem", SIZE_MAX);
    add_to("torn.pem", "ca.pem", SIZE_MAX);
    add_to("torn.pem", "other-ca.pem", 200);
    add_to("empty.pem", "other-ca.pem", 0);
    return 0;
}

static int remove_files(void **state)
{
    (void)state;
    certificates_close(&files);
    return 0;
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(bytes_go_both_ways_in_any_pieces),
        TEST(an_end_of_the_server_is_an_end),
        TEST(garbage_ends_it),
        TEST(a_changed_byte_ends_it),
        TEST(only_the_right_server_is_believed),
        TEST(a_name_that_is_too_long_is_refused),
        TEST(the_server_is_told_the_name_but_no_address),
        TEST(tls_1_1_is_not_spoken),
        TEST(a_server_may_want_a_certificate),
        TEST(files_are_read_again_each_time),
    };

    return cmocka_run_group_tests(tests, make_files, remove_files);
}
