/* model_event.h - what chat_client tells, taken into the rooms of model.h; `now_ms` since 1970. */
#ifndef CLIENT_MODEL_EVENT_H
#define CLIENT_MODEL_EVENT_H

#include <stdint.h>

#include "client/chat_room.h"
#include "client/model.h"

void model_on_message(struct model *model, const struct chat_message *message,
                      uint64_t now_ms);
void model_on_event(struct model *model, struct json_text event, uint64_t now_ms);
void model_on_said(struct model *model, const struct chat_said *said, uint64_t now_ms);
void model_on_live(struct model *model, const char *room, uint64_t now_ms);
void model_on_out(struct model *model, const struct chat_out *out, uint64_t now_ms);

/* The connection is gone. */
void model_on_lost(struct model *model);

#endif
