/* reply_arena.c - see reply_arena.h.
 *
 * Chunks of 64 KiB, or as large as one string of the reply. Under ASan what is not part
 * of a reply is poisoned, so that code that keeps one too long is found.
 */
#include "common/reply_arena.h"

#include <stdlib.h>
#include <string.h>

#include <sanitizer/asan_interface.h>

#include "common/digits.h"
#include "common/xalloc.h"

enum { CHUNK_BYTES = 64 * 1024, ALIGN = 16 };

struct reply_chunk {
    struct reply_chunk *next;
    size_t used, size;
    _Alignas(ALIGN) char bytes[];
};

static struct reply_chunk *new_chunk(size_t size)
{
    struct reply_chunk *chunk = xmalloc(sizeof(*chunk) + size);

    *chunk = (struct reply_chunk){NULL, 0, size};
    ASAN_POISON_MEMORY_REGION(chunk->bytes, size);
    return chunk;
}

static void *take(struct reply_arena *arena, size_t size)
{
    size_t need = (size + ALIGN - 1) / ALIGN * ALIGN;
    struct reply_chunk *chunk = arena->last;
    void *block;

    if (!chunk || chunk->size - chunk->used < need) {
        size_t more = need > CHUNK_BYTES ? need : CHUNK_BYTES;

        if (more > REPLY_BYTES_MAX - arena->bytes)
            return NULL;
        arena->bytes += more;
        chunk = new_chunk(more);
        if (arena->last)
            arena->last->next = chunk;
        else
            arena->first = chunk;
        arena->last = chunk;
    }
    block = chunk->bytes + chunk->used;
    chunk->used += need;
    ASAN_UNPOISON_MEMORY_REGION(block, size);
    return block;
}

static redisReply *new_object(const redisReadTask *task)
{
    redisReply *reply = take(task->privdata, sizeof(*reply)), *parent;

    if (!reply)
        return NULL;
    memset(reply, 0, sizeof(*reply));
    reply->type = task->type;
    if (task->parent) {
        parent = task->parent->obj;
        parent->element[task->idx] = reply;
    }
    return reply;
}

static void *new_string(const redisReadTask *task, char *text, size_t len)
{
    redisReply *reply = len <= REPLY_BULK_MAX ? new_object(task) : NULL;

    if (!reply || !(reply->str = take(task->privdata, len + 1)))
        return NULL;
    memcpy(reply->str, text, len);
    reply->str[len] = '\0';
    reply->len = len;
    return reply;
}

static void *new_array(const redisReadTask *task, int count)
{
    redisReply *reply = count <= REPLY_ARRAY_MAX ? new_object(task) : NULL;

    if (!reply)
        return NULL;
    if (count > 0) {
        size_t bytes = (size_t)count * sizeof(reply->element[0]);

        reply->element = take(task->privdata, bytes);
        if (!reply->element)
            return NULL;
        memset(reply->element, 0, bytes);
    }
    reply->elements = (size_t)count;
    return reply;
}

static void *new_integer(const redisReadTask *task, long long value)
{
    redisReply *reply = new_object(task);

    if (reply)
        reply->integer = value;
    return reply;
}

static void *new_nil(const redisReadTask *task)
{
    redisReply *reply = new_object(task);

    if (reply)
        reply->type = REDIS_REPLY_NIL; /* the task's is that of what is not there */
    return reply;
}

static void forget(void *reply)
{
    (void)reply; /* reply_arena_reset does it */
}

redisReplyObjectFunctions reply_arena_functions = {
    .createString = new_string,
    .createArray = new_array,
    .createInteger = new_integer,
    .createNil = new_nil,
    .freeObject = forget,
};

/* The number between the letter of a type and the end of its line; false: it is not here yet,
 * or the reader will find it wrong. */
static bool is_announced_too_long(const char *at, size_t len)
{
    const char *end = memchr(at, '\r', len);
    uint64_t number;

    return end && digits_parse(at, (size_t)(end - at), UINT64_MAX, &number) &&
           number > REPLY_BULK_MAX;
}

bool reply_arena_is_overrun(const redisReader *reader)
{
    size_t len = reader->len - reader->pos;

    if (reader->err || reader->ridx < 0 || len == 0)
        return false;
    /* A line may be no longer than a string, and the line ends come on top. */
    if (len > (size_t)REPLY_BULK_MAX + 64)
        return true;
    return reader->rstack[reader->ridx].type == REDIS_REPLY_STRING &&
           is_announced_too_long(reader->buf + reader->pos, len);
}

static void free_chunks(struct reply_chunk *chunk)
{
    while (chunk) {
        struct reply_chunk *next = chunk->next;

        ASAN_UNPOISON_MEMORY_REGION(chunk->bytes, chunk->size);
        free(chunk);
        chunk = next;
    }
}

void reply_arena_reset(struct reply_arena *arena)
{
    struct reply_chunk *first = arena->first;

    if (!first)
        return;
    free_chunks(first->next);
    first->next = NULL;
    first->used = 0;
    arena->bytes = first->size;
    ASAN_POISON_MEMORY_REGION(first->bytes, first->size);
    arena->last = first;
    if (first->size > CHUNK_BYTES)
        reply_arena_deinit(arena);
}

void reply_arena_deinit(struct reply_arena *arena)
{
    free_chunks(arena->first);
    *arena = (struct reply_arena){NULL, NULL, 0};
}
