/* fetch.c - see fetch.h.
 *
 *     fetch_get, fetch_post -> [libcurl says which sockets and when] on_socket, on_timeout
 *         -> on_ready, on_timer -> end_all -> on_answer
 *
 * libcurl resolves in a thread of its own; where that takes too long the loop does not wait for it
 * (CURLOPT_QUICK_EXIT). Each connection is for one request.
 */
#include "admin/fetch.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <curl/curl.h>

#include "common/https_url.h"
#include "common/list.h"
#include "common/strbuf.h"
#include "common/xalloc.h"

enum { REDIRECTS_MAX = 3, HEADER_BYTES_MAX = 64 * 1024 };

struct fetch {
    uv_loop_t *loop;
    CURLM *multi;
    uv_timer_t timer;
    struct list requests;
    unsigned handles; /* of libuv's, that are not closed yet */
};

struct request {
    struct list link;
    struct fetch *fetch;
    CURL *easy;
    fetch_fn on_answer;
    void *data;
    struct strbuf body;
    size_t header_bytes;
    bool is_too_large;
    char error[CURL_ERROR_SIZE];
};

/* A socket of libcurl's that the loop watches. */
struct watch {
    uv_poll_t poll; /* first */
    struct fetch *fetch;
    curl_socket_t fd;
};

static void free_if_done(struct fetch *fetch)
{
    if (--fetch->handles > 0)
        return;
    curl_global_cleanup();
    free(fetch);
}

/* ---- answers ---- */

static void end_request(struct request *request)
{
    list_remove(&request->link);
    curl_multi_remove_handle(request->fetch->multi, request->easy);
    curl_easy_cleanup(request->easy);
    strbuf_deinit(&request->body);
    free(request);
}

static void answer(struct request *request, CURLcode code)
{
    struct fetch_answer answer = {.result = FETCH_OK, .why = ""};
    char text[64];

    curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &answer.status);
    if (request->is_too_large) {
        answer.result = FETCH_TOO_LARGE;
        answer.why = "the answer has more than 256 KiB";
    } else if (code != CURLE_OK) {
        answer.result = FETCH_UNREACHABLE;
        answer.why = request->error[0] ? request->error : curl_easy_strerror(code);
    } else if (answer.status != 200) {
        snprintf(text, sizeof(text), "the answer is %ld, not 200", answer.status);
        answer.result = FETCH_STATUS;
        answer.why = text;
    } else {
        answer.body = (struct json_text){request->body.data ? request->body.data : "",
                                         request->body.len};
    }
    request->on_answer(request->data, &answer);
}

static void end_all(struct fetch *fetch)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(fetch->multi, &left))) {
        struct request *request;
        CURLcode code = message->data.result;

        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&request);
        answer(request, code);
        end_request(request);
    }
}

/* ---- the loop ---- */

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct watch *watch = (struct watch *)(void *)poll;
    struct fetch *fetch = watch->fetch;
    int flags = status < 0 ? CURL_CSELECT_ERR : 0, running;

    flags |= events & UV_READABLE ? CURL_CSELECT_IN : 0;
    flags |= events & UV_WRITABLE ? CURL_CSELECT_OUT : 0;
    curl_multi_socket_action(fetch->multi, watch->fd, flags, &running);
    end_all(fetch);
}

static void on_timer(uv_timer_t *timer)
{
    struct fetch *fetch = timer->data;
    int running;

    curl_multi_socket_action(fetch->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    end_all(fetch);
}

static int on_timeout(CURLM *multi, long ms, void *data)
{
    struct fetch *fetch = data;

    (void)multi;
    if (ms < 0)
        uv_timer_stop(&fetch->timer);
    else
        uv_timer_start(&fetch->timer, on_timer, (uint64_t)ms, 0);
    return 0;
}

static void on_watch_closed(uv_handle_t *handle)
{
    struct watch *watch = (struct watch *)(void *)handle;
    struct fetch *fetch = watch->fetch;

    free(watch);
    free_if_done(fetch);
}

static struct watch *start_watching(struct fetch *fetch, curl_socket_t fd)
{
    struct watch *watch = xcalloc(1, sizeof(*watch));

    watch->fetch = fetch;
    watch->fd = fd;
    if (uv_poll_init_socket(fetch->loop, &watch->poll, fd) < 0) {
        free(watch);
        return NULL;
    }
    fetch->handles++;
    curl_multi_assign(fetch->multi, fd, watch);
    return watch;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *data, void *of_fd)
{
    struct fetch *fetch = data;
    struct watch *watch = of_fd;
    int events = 0;

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        curl_multi_assign(fetch->multi, fd, NULL);
        if (watch)
            uv_close((uv_handle_t *)&watch->poll, on_watch_closed);
        return 0;
    }
    if (!watch)
        watch = start_watching(fetch, fd);
    if (!watch)
        return -1;
    events |= what & CURL_POLL_IN ? UV_READABLE : 0;
    events |= what & CURL_POLL_OUT ? UV_WRITABLE : 0;
    return uv_poll_start(&watch->poll, events, on_ready) < 0 ? -1 : 0;
}

/* ---- a request ---- */

static size_t on_body(char *bytes, size_t one, size_t len, void *data)
{
    struct request *request = data;

    (void)one;
    if (request->body.len + len > FETCH_BYTES_MAX) {
        request->is_too_large = true;
        return 0;
    }
    strbuf_add(&request->body, bytes, len);
    return len;
}

/* Of all headers together, those of redirects too. */
static size_t on_header(char *bytes, size_t one, size_t len, void *data)
{
    struct request *request = data;

    (void)bytes;
    (void)one;
    request->header_bytes += len;
    return request->header_bytes <= HEADER_BYTES_MAX ? len : 0;
}

static bool is_loopback(const struct sockaddr *address)
{
    const struct sockaddr_in *v4 = (const void *)address;
    const struct sockaddr_in6 *v6 = (const void *)address;

    if (address->sa_family == AF_INET)
        return ntohl(v4->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    return address->sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

static curl_socket_t open_loopback(void *data, curlsocktype purpose,
                                   struct curl_sockaddr *address)
{
    (void)data;
    (void)purpose;
    return is_loopback(&address->addr)
               ? socket(address->family, address->socktype | SOCK_CLOEXEC,
                        address->protocol)
               : CURL_SOCKET_BAD;
}

/* Not by a proxy of the environment: that would be who connects. */
static void confine_to_loopback(CURL *easy)
{
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_loopback);
}

/* As where Redis is spoken to over TLS. */
static void trust(CURL *easy)
{
    const char *file = getenv("SSL_CERT_FILE");

    if (file && file[0])
        curl_easy_setopt(easy, CURLOPT_CAINFO, file);
}

static void set_options(CURL *easy, const char *url, struct request *request)
{
    bool is_plain = https_url_is_plain((struct json_text){url, strlen(url)});
    const char *scheme = is_plain ? "http" : "https";

    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, scheme);
    curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, scheme);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(easy, CURLOPT_MAXREDIRS, (long)REDIRECTS_MAX);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)FETCH_MS);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "roomcast-admin/" ROOMCAST_VERSION);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, request->error);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, request);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, request);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, request);
    if (is_plain)
        confine_to_loopback(easy);
    else
        trust(easy);
}

static struct request *prepare(struct fetch *fetch, const char *url, fetch_fn on_answer,
                               void *data)
{
    struct request *request = xcalloc(1, sizeof(*request));

    request->fetch = fetch;
    request->on_answer = on_answer;
    request->data = data;
    request->easy = curl_easy_init();
    if (!request->easy)
        abort();
    set_options(request->easy, url, request);
    return request;
}

static void start(struct fetch *fetch, struct request *request)
{
    list_add(&fetch->requests, &request->link);
    curl_multi_add_handle(fetch->multi, request->easy);
}

void fetch_get(struct fetch *fetch, const char *url, fetch_fn on_answer, void *data)
{
    start(fetch, prepare(fetch, url, on_answer, data));
}

void fetch_post(struct fetch *fetch, const char *url, const struct strbuf *body,
                const char *user, fetch_fn on_answer, void *data)
{
    struct request *request = prepare(fetch, url, on_answer, data);
    CURL *easy = request->easy;

    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)body->len);
    curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, body->data);
    if (user) {
        curl_easy_setopt(easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        curl_easy_setopt(easy, CURLOPT_USERPWD, user);
    }
    start(fetch, request);
}

/* ---- beginning and end ---- */

struct fetch *fetch_open(uv_loop_t *loop)
{
    struct fetch *fetch = xcalloc(1, sizeof(*fetch));

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
        abort();
    fetch->loop = loop;
    list_init(&fetch->requests);
    fetch->multi = curl_multi_init();
    if (!fetch->multi)
        abort();
    uv_timer_init(loop, &fetch->timer);
    fetch->timer.data = fetch;
    fetch->handles = 1;
    curl_multi_setopt(fetch->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(fetch->multi, CURLMOPT_SOCKETDATA, fetch);
    curl_multi_setopt(fetch->multi, CURLMOPT_TIMERFUNCTION, on_timeout);
    curl_multi_setopt(fetch->multi, CURLMOPT_TIMERDATA, fetch);
    return fetch;
}

static void on_timer_closed(uv_handle_t *handle)
{
    free_if_done(handle->data);
}

void fetch_close(struct fetch *fetch)
{
    struct list *link;

    while ((link = list_first(&fetch->requests)))
        end_request(list_entry(link, struct request, link));
    curl_multi_cleanup(fetch->multi);
    uv_close((uv_handle_t *)&fetch->timer, on_timer_closed);
}
