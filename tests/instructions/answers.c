/* answers.c - see answers.h.
 *
 *     answers_give -> read_command, of each connection -> the row of its first word
 *                                              EVALSHA: -> the row of its script
 */
#include "tests/instructions/answers.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/scripts.h"
#include "tests/instructions/kernel.h"

enum { WORDS_MAX = 2048, DIGEST_LEN = 40, DIGEST_AT = 18, REV = 1000000 };

#define EPOCH "00000000000000e1"
#define TOKEN "1.00000000000000a1"

struct command {
    struct json_text words[WORDS_MAX];
    size_t count;
    int fd;
};

static char digests[SCRIPTS_COUNT][DIGEST_LEN];
static struct strbuf reply;
static uint64_t published = ANSWERS_HISTORY;
static int notices_fd = -1;

/* ---- RESP ---- */

static void add_number(uint64_t number)
{
    strbuf_add_format(&reply, ":%llu\r\n", (unsigned long long)number);
}

static void add_text(const char *text, size_t len)
{
    strbuf_add_format(&reply, "$%zu\r\n", len);
    strbuf_add(&reply, text, len);
    strbuf_add_text(&reply, "\r\n");
}

static void send_reply(int fd)
{
    kernel_feed(fd, reply.data, reply.len);
    reply.len = 0;
}

static size_t read_number(const char **at)
{
    char *end;
    size_t number = strtoul(*at + 1, &end, 10); /* behind `*` or `$` */

    *at = end + 2;
    return number;
}

static void read_command(struct command *command, const char **at)
{
    command->count = read_number(at);
    assert(command->count <= WORDS_MAX);
    for (size_t i = 0; i < command->count; i++) {
        size_t len = read_number(at);

        command->words[i] = (struct json_text){*at, len};
        *at += len + 2;
    }
}

static bool is(struct json_text word, const char *text)
{
    return word.len == strlen(text) && memcmp(word.base, text, word.len) == 0;
}

static size_t number_of(struct json_text word)
{
    return strtoul(word.base, NULL, 10);
}

/* ---- scripts ---- */

static void on_heartbeat(const struct command *command)
{
    (void)command;
    strbuf_add_text(&reply, "*1\r\n$2\r\nok\r\n");
}

/* Arguments behind EVALSHA, the digest, the number of keys and the keys. */
static size_t count_arguments(const struct command *command)
{
    return command->count - 3 - number_of(command->words[2]);
}

static void on_join(const struct command *command)
{
    size_t users = (count_arguments(command) - 7) / 3;

    strbuf_add_format(&reply, "*%zu\r\n$2\r\nok\r\n$16\r\n" EPOCH "\r\n",
                      users > 1 ? 9 + users : 9);
    add_number(ANSWERS_HISTORY);
    add_number(REV);
    add_number(1000);
    add_number(ANSWERS_HISTORY);
    add_number(0);
    add_text(TOKEN, sizeof(TOKEN) - 1);
    add_number(0);
    for (size_t i = 0; users > 1 && i < users; i++)
        add_number(users - 1 - i);
}

/* The room's name out of `rc:{ROOM}:meta`. */
static const char *room_of(struct json_text key)
{
    static char room[256];
    const char *from = memchr(key.base, '{', key.len);
    const char *to = memchr(key.base, '}', key.len);

    snprintf(room, sizeof(room), "%.*s", (int)(to - from - 1), from + 1);
    return room;
}

static void on_history(const struct command *command)
{
    const char *room = room_of(command->words[3]);
    struct strbuf line = {NULL, 0, 0};

    strbuf_add_format(&reply, "*%d\r\n$16\r\n" EPOCH "\r\n", 6 + ANSWERS_HISTORY);
    add_number(ANSWERS_HISTORY);
    add_number(1);
    add_number(1);
    add_text(TOKEN, sizeof(TOKEN) - 1);
    add_number(0);
    for (uint64_t seq = 1; seq <= ANSWERS_HISTORY; seq++) {
        line.len = 0;
        answers_add_message(&line, room, seq);
        add_text(line.data, line.len);
    }
    strbuf_deinit(&line);
}

/* As lua/publish.lua: a run of messages without keys is answered by its first number. */
static void on_publish(const struct command *command)
{
    const struct json_text *run = command->words + 3 + number_of(command->words[2]) + 4;
    const struct json_text *end = run + 3 * number_of(run[-1]);
    size_t count = 3, messages = 0;

    for (const struct json_text *at = run; at < end; at += 3) {
        count += number_of(at[2]) > 0 ? number_of(at[1]) : 1;
        messages += number_of(at[1]);
    }
    strbuf_add_format(&reply, "*%zu\r\n$16\r\n" EPOCH "\r\n", count);
    add_number(published + messages);
    add_text(TOKEN, sizeof(TOKEN) - 1);
    for (; run < end; run += 3)
        for (size_t n = 0; n < number_of(run[1]); n++, published++)
            if (n == 0 || number_of(run[2]) > 0)
                add_number(published + 1);
}

/* Redis has no mark of a list. */
static void on_get(const struct command *command)
{
    (void)command;
    strbuf_add_text(&reply, "$-1\r\n");
}

static void on_one(const struct command *command)
{
    (void)command;
    add_number(1);
}

static void (*const scripts[SCRIPTS_COUNT])(const struct command *command) = {
    [SCRIPT_HEARTBEAT] = on_heartbeat,
    [SCRIPT_HISTORY] = on_history,
    [SCRIPT_JOIN] = on_join,
    [SCRIPT_PUBLISH] = on_publish,
};

static void on_evalsha(const struct command *command)
{
    int script = 0;

    while (memcmp(digests[script], command->words[1].base, DIGEST_LEN) != 0)
        assert(++script < SCRIPTS_COUNT);
    if (scripts[script])
        scripts[script](command);
    else
        on_one(command);
}

/* ---- commands ---- */

static void on_client(const struct command *command)
{
    if (is(command->words[1], "INFO"))
        add_text("id=1 addr=127.0.0.1:1", 21);
    else
        strbuf_add_text(&reply, "+OK\r\n");
}

static void on_info(const struct command *command)
{
    (void)command;
    add_text("maxmemory_policy:noeviction\r\n", 29);
}

static void on_list(const struct command *command)
{
    (void)command;
    strbuf_add_text(&reply, "*0\r\n");
}

static void on_subscribe(const struct command *command)
{
    static const char *const words[] = {"psubscribe", "subscribe"};
    const char *word = words[command->words[0].base[0] == 'S'];

    notices_fd = command->fd;
    for (size_t i = 1; i < command->count; i++) {
        strbuf_add_text(&reply, "*3\r\n");
        add_text(word, strlen(word));
        add_text(command->words[i].base, command->words[i].len);
        add_number(i);
    }
}

static void push(const char *channel, size_t channel_len, struct json_text text)
{
    strbuf_add_text(&reply, "*3\r\n$7\r\nmessage\r\n");
    add_text(channel, channel_len);
    add_text(text.base, text.len);
}

/* Only the canary: what is published by scripts is sent by answers_notify. */
static void on_publish_command(const struct command *command)
{
    struct json_text text = command->words[2];

    if (notices_fd >= 0) {
        push(command->words[1].base, command->words[1].len, text);
        send_reply(notices_fd);
    }
    add_number(1);
}

static const struct {
    const char *word;
    void (*answer)(const struct command *command);
} commands[] = {
    {"CLIENT", on_client},       {"EVALSHA", on_evalsha},
    {"EXISTS", on_one},          {"HLEN", on_one},
    {"INFO", on_info},           {"PSUBSCRIBE", on_subscribe},
    {"SCRIPT", on_one},          {"PUBLISH", on_publish_command},
    {"SUBSCRIBE", on_subscribe}, {"ZRANGE", on_list},
    {"ZRANGEBYSCORE", on_list},  {"GET", on_get},
};

static void answer(const struct command *command)
{
    size_t i = 0;

    while (!is(command->words[0], commands[i].word))
        assert(++i < sizeof(commands) / sizeof(commands[0]));
    commands[i].answer(command);
}

void answers_give(void)
{
    static struct command command;

    for (int fd = kernel_next_connected(-1); fd >= 0; fd = kernel_next_connected(fd)) {
        struct strbuf *written = kernel_written(fd);
        const char *at = written->data, *end = at + written->len;

        command.fd = fd;
        while (at < end) {
            read_command(&command, &at);
            answer(&command);
            send_reply(fd);
        }
        written->len = 0;
    }
}

/* ---- */

void answers_add_message(struct strbuf *out, const char *room, uint64_t seq)
{
    strbuf_add_format(out,
                      "{\"type\":\"message\",\"room\":\"%s\",\"seq\":%llu,"
                      "\"user\":\"user-1\",\"text\":\"%0*d\",\"ts\":1700001000000}",
                      room, (unsigned long long)seq, ANSWERS_TEXT_BYTES, 0);
}

void answers_notify(const char *room, uint64_t first, uint64_t last)
{
    struct strbuf text = {NULL, 0, 0};
    char channel[256];
    int len = snprintf(channel, sizeof(channel), "rc:{%s}:events", room);

    strbuf_add_format(&text, "1 " EPOCH " 1 message %llu %llu - " TOKEN,
                      (unsigned long long)first, (unsigned long long)last);
    for (uint64_t seq = first; seq <= last; seq++) {
        strbuf_add_char(&text, '\n');
        answers_add_message(&text, room, seq);
    }
    push(channel, (size_t)len, (struct json_text){text.data, text.len});
    send_reply(notices_fd);
    strbuf_deinit(&text);
}

void answers_init(void)
{
    struct redis_command call = {{0}, 0};

    for (int i = 0; i < SCRIPTS_COUNT; i++) {
        scripts_begin(&call, (enum script)i, 1);
        memcpy(digests[i], call.args.data + DIGEST_AT, DIGEST_LEN);
    }
    redis_command_deinit(&call);
}
