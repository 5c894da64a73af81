/* redis_tls.c - see redis_tls.h.
 *
 * OpenSSL reads and writes through a BIO of our own: what it reads is what was fed, what it
 * writes is added to `out`. So nothing is copied on the way in, and no buffer stays large.
 *
 * When the server refuses our certificate, or misses one, that is an alert which may come after
 * the handshake is done for us (TLS 1.3), at the first read.
 */
#include "common/redis_tls.h"

#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "common/redis_trust.h"
#include "common/xalloc.h"

struct redis_tls {
    SSL_CTX *context;
    SSL *ssl;
    BIO_METHOD *method;
    const char *in; /* what was fed and is not read */
    size_t in_len;
    struct strbuf out;
    bool has_certificate; /* of our own */
    bool was_asked;       /* for it */
    struct redis_loss loss;
};

/* ---- to and from OpenSSL ---- */

static int bio_write(BIO *bio, const char *bytes, int len)
{
    struct redis_tls *tls = BIO_get_data(bio);

    strbuf_add(&tls->out, bytes, (size_t)len);
    return len;
}

static int bio_read(BIO *bio, char *out, int size)
{
    struct redis_tls *tls = BIO_get_data(bio);
    size_t len = tls->in_len < (size_t)size ? tls->in_len : (size_t)size;

    BIO_clear_retry_flags(bio);
    if (len == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    memcpy(out, tls->in, len);
    tls->in += len;
    tls->in_len -= len;
    return (int)len;
}

static long bio_ctrl(BIO *bio, int what, long number, void *data)
{
    (void)bio, (void)number, (void)data;
    return what == BIO_CTRL_FLUSH;
}

static void set_bio(struct redis_tls *tls)
{
    BIO *bio;

    tls->method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "roomcast");
    if (!tls->method)
        abort();
    BIO_meth_set_write(tls->method, bio_write);
    BIO_meth_set_read(tls->method, bio_read);
    BIO_meth_set_ctrl(tls->method, bio_ctrl);
    bio = BIO_new(tls->method);
    if (!bio)
        abort();
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(tls->ssl, bio, bio);
}

/* ---- what went wrong ---- */

/* By the verdict about the server's certificate. */
static const struct {
    long verdict;
    enum redis_why why;
} verdicts[] = {
    {X509_V_ERR_CERT_HAS_EXPIRED, REDIS_WHY_TLS_EXPIRED},
    {X509_V_ERR_CERT_NOT_YET_VALID, REDIS_WHY_TLS_EARLY},
    {X509_V_ERR_HOSTNAME_MISMATCH, REDIS_WHY_TLS_NAME},
    {X509_V_ERR_IP_ADDRESS_MISMATCH, REDIS_WHY_TLS_NAME},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, REDIS_WHY_TLS_CA},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, REDIS_WHY_TLS_CA},
    {X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, REDIS_WHY_TLS_CA},
    {X509_V_ERR_CERT_SIGNATURE_FAILURE, REDIS_WHY_TLS_CA},
    {X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, REDIS_WHY_TLS_CA},
    {X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, REDIS_WHY_TLS_CA},
    {X509_V_ERR_CERT_UNTRUSTED, REDIS_WHY_TLS_CA},
};

/* By OpenSSL's reason, most of them alerts of the server. */
static const struct {
    int reason;
    enum redis_why why;
} reasons[] = {
    {SSL_R_WRONG_VERSION_NUMBER, REDIS_WHY_TLS_NONE},
    {SSL_R_UNSUPPORTED_PROTOCOL, REDIS_WHY_TLS_VERSION},
    {SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, REDIS_WHY_TLS_VERSION},
    {SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED, REDIS_WHY_TLS_WANTED},
    {SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, REDIS_WHY_TLS_REFUSED},
    {SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE, REDIS_WHY_TLS_REFUSED},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED, REDIS_WHY_TLS_REFUSED},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED, REDIS_WHY_TLS_REFUSED},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN, REDIS_WHY_TLS_REFUSED},
    {SSL_R_TLSV1_ALERT_UNKNOWN_CA, REDIS_WHY_TLS_REFUSED},
    {SSL_R_TLSV1_ALERT_ACCESS_DENIED, REDIS_WHY_TLS_REFUSED},
};

static struct redis_loss loss_of_verdict(long verdict)
{
    for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++)
        if (verdicts[i].verdict == verdict)
            return redis_loss_of(verdicts[i].why);
    return (struct redis_loss){REDIS_WHY_TLS_CERTIFICATE,
                               X509_verify_cert_error_string(verdict)};
}

static struct redis_loss loss_of_reason(const struct redis_tls *tls,
                                        unsigned long error)
{
    const char *text = ERR_reason_error_string(error);
    int reason = ERR_GET_REASON(error);

    /* Up to TLS 1.2 there is no alert of its own for a certificate that is missing. */
    if (reason == SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE && tls->was_asked &&
        !tls->has_certificate)
        return redis_loss_of(REDIS_WHY_TLS_WANTED);
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
        if (reasons[i].reason == reason)
            return redis_loss_of(reasons[i].why);
    return (struct redis_loss){REDIS_WHY_TLS,
                               text ? text : redis_why_text(REDIS_WHY_TLS)};
}

/* `result` is of the last call for tls->ssl, with the errors since. */
static void note_loss(struct redis_tls *tls, int result)
{
    int what = SSL_get_error(tls->ssl, result);
    long verdict = SSL_get_verify_result(tls->ssl);
    unsigned long error = ERR_peek_error();

    if (what == SSL_ERROR_ZERO_RETURN)
        tls->loss = redis_loss_as("the server ended TLS");
    else if (verdict != X509_V_OK)
        tls->loss = loss_of_verdict(verdict);
    else
        tls->loss = loss_of_reason(tls, error);
    ERR_clear_error();
}

struct redis_loss redis_tls_loss(const struct redis_tls *tls)
{
    return tls->loss;
}

/* ---- beginning and end ---- */

/* A key with a passphrase is refused: nobody is there to type one. */
static int give_no_passphrase(char *out, int size, int is_for_writing, void *data)
{
    (void)out, (void)size, (void)is_for_writing, (void)data;
    return 0;
}

static int on_certificate_wanted(SSL *ssl, void *arg)
{
    (void)ssl;
    ((struct redis_tls *)arg)->was_asked = true;
    return 1;
}

/* False, for the caller to return. */
static bool refuse(struct redis_loss *loss, enum redis_why why)
{
    *loss = redis_loss_of(why);
    ERR_clear_error();
    return false;
}

static bool read_files(struct redis_tls *tls, const struct config *config,
                       struct redis_loss *loss)
{
    X509_STORE *trust = redis_trust_get(config->redis_ca_file);

    if (!trust)
        return refuse(loss, REDIS_WHY_TLS_CA_FILE);
    SSL_CTX_set_cert_store(tls->context, trust); /* takes it */
    tls->has_certificate = config->redis_cert_file[0];
    if (!tls->has_certificate)
        return true;
    if (SSL_CTX_use_certificate_chain_file(tls->context, config->redis_cert_file) != 1)
        return refuse(loss, REDIS_WHY_TLS_CERT_FILE);
    if (SSL_CTX_use_PrivateKey_file(tls->context, config->redis_key_file,
                                    SSL_FILETYPE_PEM) != 1)
        return refuse(loss, REDIS_WHY_TLS_KEY_FILE);
    return true;
}

static bool is_address(const char *name)
{
    char address[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, name, address) == 1 ||
           inet_pton(AF_INET6, name, address) == 1;
}

/* An address is in another part of a certificate than a name, and never an SNI. False: no
 * certificate can have this name. */
static bool set_name(SSL *ssl, const char *name)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);

    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (is_address(name))
        return X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1;
    return X509_VERIFY_PARAM_set1_host(param, name, 0) == 1 &&
           SSL_set_tlsext_host_name(ssl, name) == 1;
}

static void set_rules(SSL_CTX *context, struct redis_tls *tls)
{
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_default_passwd_cb(context, give_no_passphrase);
    SSL_CTX_set_cert_cb(context, on_certificate_wanted, tls);
}

struct redis_tls *redis_tls_new(const struct config *config, const char *host,
                                struct redis_loss *loss)
{
    struct redis_tls *tls = xcalloc(1, sizeof(*tls));
    const char *name = config->redis_tls_name[0] ? config->redis_tls_name : host;

    ERR_clear_error();
    tls->context = SSL_CTX_new(TLS_client_method());
    if (!tls->context)
        abort();
    set_rules(tls->context, tls);
    if (read_files(tls, config, loss)) {
        tls->ssl = SSL_new(tls->context);
        if (!tls->ssl)
            abort();
        set_bio(tls);
        SSL_set_connect_state(tls->ssl);
        if (set_name(tls->ssl, name))
            return tls;
        refuse(loss, REDIS_WHY_TLS_NAME);
    }
    redis_tls_free(tls);
    return NULL;
}

void redis_tls_free(struct redis_tls *tls)
{
    if (!tls)
        return;
    SSL_free(tls->ssl); /* and the BIO */
    SSL_CTX_free(tls->context);
    BIO_meth_free(tls->method);
    strbuf_deinit(&tls->out);
    free(tls);
}

/* ---- bytes ---- */

void redis_tls_feed(struct redis_tls *tls, const char *bytes, size_t len)
{
    tls->in = bytes;
    tls->in_len = len;
}

ssize_t redis_tls_read(struct redis_tls *tls, char *out, size_t size)
{
    int n;

    ERR_clear_error();
    n = SSL_read(tls->ssl, out, (int)size);
    if (n > 0)
        return n;
    if (SSL_get_error(tls->ssl, n) == SSL_ERROR_WANT_READ)
        return 0;
    note_loss(tls, n);
    return -1;
}

bool redis_tls_is_open(const struct redis_tls *tls)
{
    return SSL_is_init_finished(tls->ssl);
}

bool redis_tls_write(struct redis_tls *tls, const char *bytes, size_t len)
{
    size_t written;
    int rc;

    ERR_clear_error();
    rc = SSL_write_ex(tls->ssl, bytes, len, &written);
    if (rc != 1)
        note_loss(tls, rc);
    return rc == 1;
}

struct strbuf *redis_tls_out(struct redis_tls *tls)
{
    return &tls->out;
}
