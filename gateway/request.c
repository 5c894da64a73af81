/* request.c - see request.h.
 *
 *     request_must_wait -> no  -> request_begin -> pending -> request_end -> request_go_on
 *                      \-> yes -> request_defer -> deferred                      |
 *                                                  on_turn <- request_run <------+
 */
#include "gateway/request.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/pool.h"

void request_window_init(struct request_window *window, const struct request_env *env)
{
    *window = (struct request_window){.env = env};
    list_init(&window->pending);
}

void request_turns_init(struct request_turns *turns, struct request_window *window)
{
    turns->window = window;
    list_init(&turns->deferred);
}

/* ---- the window ---- */

static void note_bound(struct request_window *window)
{
    const struct request_env *env = window->env;
    bool is_over = window->count >= env->count_max || window->bytes >= env->bytes_max;

    if (is_over == window->is_over)
        return;
    window->is_over = is_over;
    env->on_bound(window);
}

static struct request *new_request(struct request_turns *turns,
                                   const struct proto_request *req, size_t bytes,
                                   size_t text_len)
{
    size_t size = sizeof(struct request) + req->id.len + text_len;
    struct request *request = pool_alloc(size);

    *request = (struct request){
        .window = turns->window,
        .turns = turns,
        .before = req->before,
        .seq = req->seq,
        .limit = req->limit,
        .type = req->type,
        .size = (uint32_t)size,
        .bytes = (uint32_t)bytes,
        .text_len = (uint32_t)text_len,
        .id_len = (uint16_t)req->id.len,
    };
    slot_wait_init(&request->slot, NULL);
    if (req->id.len > 0)
        memcpy(request->data, req->id.base, req->id.len);
    request->window->count++;
    request->window->bytes += request->bytes;
    note_bound(request->window);
    return request;
}

struct request *request_begin(struct request_turns *turns,
                              const struct proto_request *req, size_t bytes)
{
    struct request *request = new_request(turns, req, bytes, 0);

    list_add(&request->window->pending, &request->link);
    request->has_turn = req->type != REQUEST_SIGNAL;
    if (req->type == REQUEST_MESSAGE)
        turns->messages++;
    else if (request->has_turn)
        turns->busy = request;
    return request;
}

static void leave_turn(struct request *request)
{
    if (!request->turns || !request->has_turn)
        return;
    if (request->type == REQUEST_MESSAGE)
        request->turns->messages--;
    else
        request->turns->busy = NULL;
}

void request_end(struct request *request)
{
    struct request_window *window = request->window;

    leave_turn(request);
    list_remove(&request->link);
    slot_stop_waiting(&request->slot);
    window->count--;
    window->bytes -= request->bytes;
    free(request->cursor);
    pool_recycle(request, request->size);
    note_bound(window);
    if (window->count == 0)
        window->env->on_empty(window);
}

struct json_text request_id(const struct request *request)
{
    return (struct json_text){request->data, request->id_len};
}

struct json_text request_text(const struct request *request)
{
    return (struct json_text){request->data + request->id_len, request->text_len};
}

/* ---- whose turn it is ---- */

static bool can_start(const struct request_turns *turns, enum request_type type)
{
    return !turns->busy && (type == REQUEST_MESSAGE || turns->messages == 0);
}

bool request_must_wait(const struct request_turns *turns, enum request_type type)
{
    return !list_is_empty(&turns->deferred) || !can_start(turns, type);
}

void request_defer(struct request_turns *turns, const struct proto_request *req,
                   struct json_text text)
{
    struct request *request = new_request(turns, req, text.len, text.len);

    memcpy(request->data + request->id_len, text.base, text.len);
    list_add(&turns->deferred, &request->link);
}

struct request *request_first_deferred(struct request_turns *turns)
{
    struct list *link = list_first(&turns->deferred);

    return link ? list_entry(link, struct request, link) : NULL;
}

void request_run(struct request *request)
{
    struct request_window *window = request->window;

    list_remove(&request->link);
    list_add(&window->pending, &request->link);
    window->env->on_turn(request);
    request_end(request);
}

void request_go_on(struct request_turns *turns)
{
    struct request *request;

    while (turns->window && (request = request_first_deferred(turns)) &&
           can_start(turns, request->type))
        request_run(request);
}

struct request *request_join(const struct request_turns *turns)
{
    return turns->busy && turns->busy->type == REQUEST_JOIN ? turns->busy : NULL;
}

bool request_waits_to_leave(const struct request_turns *turns)
{
    bool is_leave = false;

    for (const struct list *link = turns->deferred.next; link != &turns->deferred;
         link = link->next) {
        enum request_type type = list_entry(link, struct request, link)->type;

        if (type == REQUEST_LEAVE || type == REQUEST_JOIN)
            is_leave = type == REQUEST_LEAVE;
    }
    return is_leave;
}

/* ---- the end ---- */

void request_close(struct request_turns *turns)
{
    list_each(link, &turns->window->pending) {
        struct request *request = list_entry(link, struct request, link);

        if (request->turns == turns)
            request->turns = NULL;
    }
    turns->window = NULL;
}

void request_hand_over(struct request_turns *from, struct request_turns *to)
{
    struct request *request;

    while ((request = request_first_deferred(from))) {
        list_remove(&request->link);
        list_add(&to->deferred, &request->link);
        request->turns = to;
    }
}
