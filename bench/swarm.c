/* swarm.c - see swarm.h.
 *
 *     start_client -> on_upgraded -> on_welcome -> on_joined -> (is in)
 *     (is in) talk -> on_message at everybody, on_ack at the talker -> talk
 *
 * The load generator shares the machine with what it measures, so it must be cheaper
 * than that: it does not parse JSON but looks for the few fields that it needs (what
 * differs between the systems under test is in protocol.c), and in
 * a message it finds the number where the last one of that room had it.
 *
 * A message's text begins with the time at which it was sent (with a rate: was due), in
 * 16 hexadecimal digits of nanoseconds.
 */
#include "bench/swarm.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "bench/protocol.h"
#include "bench/stream.h"
#include "common/strbuf.h"
#include "common/xalloc.h"

enum { EVENTS_MAX = 1024, NAME_BYTES = 32, HEAD_BYTES = 128 };

enum client_state {
    CLIENT_NEW,
    CLIENT_UPGRADING,
    CLIENT_JOINING,
    CLIENT_IN,
    CLIENT_GONE
};

struct room {
    char name[NAME_BYTES];
    char head[HEAD_BYTES]; /* a message up to its number, see find_seq */
    size_t head_len;
    uint64_t seq;       /* the largest anybody heard of */
    uint64_t published; /* by all its talkers */
};

struct client {
    enum client_state state;
    unsigned number;
    bool is_talker;
    unsigned in_flight;
    struct room *room;
    uint64_t seq;    /* of the last message it got */
    uint64_t due_ns; /* with a rate: when to talk next */
    struct swarm *swarm;
    struct stream stream;
};

struct swarm {
    const struct options *options;
    int epoll;
    struct client *clients;
    struct room *rooms;
    unsigned count, started, opening;
    uint64_t now_ns, next_id;
    bool talking;
    char *filler;
    struct histogram *histogram;
    struct swarm_counts counts;
    char complaint[256];
    char scratch[STREAM_READ_BYTES];
};

uint64_t swarm_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void complain(struct swarm *s, const struct client *c, const char *what,
                     const char *text, size_t len)
{
    s->counts.errors++;
    if (!s->complaint[0])
        snprintf(s->complaint, sizeof(s->complaint), "client %u: %s: %.*s", c->number,
                 what, (int)(len < 160 ? len : 160), text);
}

static void drop_client(struct swarm *s, struct client *c)
{
    if (c->state < CLIENT_IN)
        s->opening--;
    c->state = CLIENT_GONE;
    stream_close(&c->stream);
}

static struct protocol_words words_of(const struct swarm *s, const struct client *c)
{
    return (struct protocol_words){
        .room = c->room->name,
        .room_number = (unsigned)(c->room - s->rooms),
        .user_number = c->number,
    };
}

static void start_client(struct swarm *s, struct client *c)
{
    const struct options *o = s->options;
    struct protocol_words words = words_of(s, c);
    struct strbuf path = {0};
    /* The members of a room are spread over the servers. */
    size_t url = (c->number + c->number / (size_t)o->rooms) % o->url_count;
    int rc;

    if (o->protocol->add_path)
        o->protocol->add_path(&path, &words);
    else
        strbuf_add_text(&path, "/ws");
    rc = stream_open(&c->stream, s->epoll, &o->urls[url], path.data, c);
    strbuf_deinit(&path);
    c->state = CLIENT_JOINING;
    s->opening++;
    if (rc < 0) {
        complain(s, c, "connect", strerror(-rc), strlen(strerror(-rc)));
        drop_client(s, c);
    }
}

static void send_text(struct client *c, const char *text, size_t len)
{
    struct strbuf out = {0};

    wire_add(&out, WIRE_TEXT, text, len);
    stream_send(&c->stream, &out);
    strbuf_deinit(&out);
}

static void note_seq(struct room *room, uint64_t seq)
{
    if (seq > room->seq)
        room->seq = seq;
}

/* In, and `seq` is the last message that it does not get. */
static void enter(struct swarm *s, struct client *c, uint64_t seq)
{
    if (c->state != CLIENT_JOINING)
        return;
    c->state = CLIENT_IN;
    c->seq = seq;
    note_seq(c->room, seq);
    s->opening--;
    s->counts.joined++;
}

static void on_welcome(struct swarm *s, struct client *c)
{
    struct protocol_words words = words_of(s, c);
    struct strbuf text = {0};

    s->options->protocol->add_join(&text, &words);
    send_text(c, text.data, text.len);
    strbuf_deinit(&text);
}

static void on_upgraded(struct swarm *s, struct client *c)
{
    const struct protocol *p = s->options->protocol;

    if (!p->add_join)
        enter(s, c, 0);
    else if (!p->has_welcome)
        on_welcome(s, c);
}

static void add_message(struct swarm *s, struct client *c, struct strbuf *out,
                        uint64_t sent_ns)
{
    struct protocol_words words = words_of(s, c);
    struct strbuf text = {0};

    words.id = ++s->next_id;
    words.key = s->options->keys ? words.id : 0;
    words.seq = ++c->room->published;
    words.sent_ns = sent_ns;
    words.filler = s->filler;
    words.filler_len = (size_t)s->options->size - 16;
    s->options->protocol->add_message(&text, &words);
    wire_add(out, WIRE_TEXT, text.data, text.len);
    strbuf_deinit(&text);
    c->in_flight++;
    s->counts.published++;
}

/* All that this client may say now, in one write. */
static void talk(struct swarm *s, struct client *c)
{
    const struct options *o = s->options;
    uint64_t step_ns = o->rate ? 1000000000 / (uint64_t)o->rate : 0;
    struct strbuf out = {0};

    if (step_ns == 0) {
        while (c->in_flight < (unsigned)o->window)
            add_message(s, c, &out, s->now_ns);
    } else {
        for (; c->due_ns <= s->now_ns; c->due_ns += step_ns)
            add_message(s, c, &out, c->due_ns);
    }
    if (out.len > 0)
        stream_send(&c->stream, &out);
    strbuf_deinit(&out);
}

/* What follows `name` in `text`, or NULL. */
static const char *find_after(const char *text, size_t len, const char *name)
{
    const char *at = memmem(text, len, name, strlen(name));

    return at ? at + strlen(name) : NULL;
}

static uint64_t number_after(const char *text, size_t len, const char *name)
{
    const char *at = find_after(text, len, name);

    return at ? strtoull(at, NULL, 10) : 0;
}

/* Where the number of this message stands. Messages of one room begin alike up to it, so
 * what the last one began with is mostly right. */
static const char *find_seq(struct room *room, const char *text, size_t len)
{
    const char *at;

    if (room->head_len > 0 && len > room->head_len &&
        memcmp(text, room->head, room->head_len) == 0)
        return text + room->head_len;
    at = find_after(text, len, "\"seq\":");
    room->head_len = at && at - text <= HEAD_BYTES ? (size_t)(at - text) : 0;
    memcpy(room->head, text, room->head_len);
    return at;
}

static void on_message(struct swarm *s, struct client *c, const char *text, size_t len)
{
    const char *end = text + len, *at = find_seq(c->room, text, len);
    uint64_t seq = at ? strtoull(at, NULL, 10) : 0;

    if (seq <= c->seq)
        s->counts.repeats++;
    else
        s->counts.missing += seq - c->seq - 1;
    c->seq = seq;
    note_seq(c->room, seq);
    s->counts.deliveries++;
    at = at ? find_after(at, (size_t)(end - at), "\"text\":\"") : NULL;
    if (at && s->histogram) {
        uint64_t sent_ns = strtoull(at, NULL, 16);

        histogram_add(s->histogram, s->now_ns > sent_ns ? s->now_ns - sent_ns : 0);
    }
}

static void on_ack(struct swarm *s, struct client *c)
{
    c->in_flight--;
    s->counts.acked++;
}

static void on_text(struct swarm *s, struct client *c, const char *text, size_t len)
{
    const struct protocol *p = s->options->protocol;
    const char *answer;

    switch (protocol_read(p, text, len, &answer)) {
    case PROTOCOL_OTHER: /* the history, who comes and goes */
        break;
    case PROTOCOL_ASKED:
        send_text(c, answer, strlen(answer));
        break;
    case PROTOCOL_WELCOME:
        on_welcome(s, c);
        break;
    case PROTOCOL_JOINED:
        enter(s, c, number_after(text, len, "\"seq\":"));
        break;
    case PROTOCOL_MESSAGE:
        on_message(s, c, text, len);
        if (p->echo_is_ack && c->is_talker)
            on_ack(s, c);
        break;
    case PROTOCOL_ACK:
        on_ack(s, c);
        note_seq(c->room, number_after(text, len, "\"seq\":"));
        break;
    case PROTOCOL_BAD:
        complain(s, c, "bad news", text, len);
        break;
    }
}

static void on_frame(void *owner, const struct wire_frame *frame)
{
    struct client *c = owner;
    struct swarm *s = c->swarm;
    struct strbuf out = {0};

    if (!frame) {
        on_upgraded(s, c);
    } else if (frame->opcode == WIRE_TEXT) {
        on_text(s, c, frame->text, frame->len);
    } else if (frame->opcode == WIRE_PING) {
        wire_add(&out, WIRE_PONG, frame->text, frame->len);
        stream_send(&c->stream, &out);
        strbuf_deinit(&out);
    } else if (frame->opcode == WIRE_CLOSE) {
        complain(s, c, "closed by the server", frame->text + 2,
                 frame->len > 2 ? frame->len - 2 : 0);
    }
}

static void on_readable(struct swarm *s, struct client *c)
{
    ssize_t n;

    s->now_ns = swarm_now_ns();
    n = stream_on_readable(&c->stream, s->scratch, on_frame, c);
    if (n < 0) {
        complain(s, c, "connection lost", strerror((int)-n), strlen(strerror((int)-n)));
        drop_client(s, c);
        return;
    }
    s->counts.received_bytes += (uint64_t)n;
    if (s->talking && c->is_talker && s->options->rate == 0)
        talk(s, c);
}

static void turn(struct swarm *s)
{
    struct epoll_event events[EVENTS_MAX];
    int timeout_ms = s->talking && s->options->rate ? 1 : 20;
    int count = epoll_wait(s->epoll, events, EVENTS_MAX, timeout_ms);

    for (int i = 0; i < count; i++) {
        struct client *c = events[i].data.ptr;

        if (events[i].events & EPOLLOUT)
            stream_on_writable(&c->stream);
        if (events[i].events & ~(uint32_t)EPOLLOUT)
            on_readable(s, c);
    }
    s->now_ns = swarm_now_ns();
    if (s->talking && s->options->rate)
        for (unsigned i = 0; i < s->count; i++)
            if (s->clients[i].is_talker && s->clients[i].state == CLIENT_IN)
                talk(s, &s->clients[i]);
}

bool swarm_open(struct swarm *s, uint64_t until_ns)
{
    while (s->counts.joined < s->count && !s->counts.errors) {
        while (s->started < s->count && s->opening < (unsigned)s->options->at_once)
            start_client(s, &s->clients[s->started++]);
        turn(s);
        if (s->now_ns > until_ns)
            return false;
    }
    return s->counts.joined == s->count;
}

void swarm_run(struct swarm *s, uint64_t until_ns)
{
    do
        turn(s);
    while (s->now_ns < until_ns);
}

static uint64_t count_outstanding(const struct swarm *s)
{
    uint64_t outstanding = s->counts.published - s->counts.acked;

    for (unsigned i = 0; i < s->count; i++)
        outstanding += s->clients[i].room->seq - s->clients[i].seq;
    return outstanding;
}

bool swarm_finish(struct swarm *s, uint64_t until_ns)
{
    while (count_outstanding(s) > 0 && s->now_ns < until_ns)
        turn(s);
    s->counts.missing += count_outstanding(s);
    return s->counts.missing == 0;
}

void swarm_start_talking(struct swarm *s)
{
    s->talking = true;
    s->now_ns = swarm_now_ns();
    for (unsigned i = 0; i < s->count; i++) {
        s->clients[i].due_ns = s->now_ns;
        if (s->clients[i].is_talker && s->clients[i].state == CLIENT_IN)
            talk(s, &s->clients[i]);
    }
}

void swarm_stop_talking(struct swarm *s)
{
    s->talking = false;
}

void swarm_set_histogram(struct swarm *s, struct histogram *histogram)
{
    s->histogram = histogram;
}

struct swarm_counts swarm_get_counts(const struct swarm *s)
{
    return s->counts;
}

const char *swarm_get_complaint(const struct swarm *s)
{
    return s->complaint;
}

struct swarm *swarm_new(const struct options *options)
{
    struct swarm *s = xcalloc(1, sizeof(*s));
    unsigned tag = (unsigned)getpid() & 0xffff;

    s->options = options;
    s->epoll = epoll_create1(EPOLL_CLOEXEC);
    s->count = (unsigned)options->connections;
    s->clients = xcalloc(s->count, sizeof(*s->clients));
    s->rooms = xcalloc((size_t)options->rooms, sizeof(*s->rooms));
    s->filler = xmalloc((size_t)options->size);
    memset(s->filler, 'x', (size_t)options->size);
    for (unsigned i = 0; i < (unsigned)options->rooms; i++)
        snprintf(s->rooms[i].name, NAME_BYTES, "bench-%04x-%05u", tag, i);
    for (unsigned i = 0; i < s->count; i++) {
        s->clients[i].swarm = s;
        s->clients[i].number = i;
        s->clients[i].room = &s->rooms[i % (unsigned)options->rooms];
        s->clients[i].is_talker = !options->idle && i / (unsigned)options->rooms <
                                                        (unsigned)options->publishers;
    }
    return s;
}

void swarm_free(struct swarm *s)
{
    if (!s)
        return;
    for (unsigned i = 0; i < s->started; i++)
        if (s->clients[i].state != CLIENT_GONE)
            drop_client(s, &s->clients[i]);
    close(s->epoll);
    free(s->clients);
    free(s->rooms);
    free(s->filler);
    free(s);
}
