/* leave.h - why a user leaves a room, and what follows from that. Pure. */
#ifndef GATEWAY_LEAVE_H
#define GATEWAY_LEAVE_H

#include <stdbool.h>

/* Why a user leaves. X(id, word, is counted, has a grace)
 * word: `reason` of member_left (SPEC 2). Counted: leave.lua counts the user down; else the
 * script that put the user out has done so. Grace: the user stays for a while, to come back. */
#define LEAVE_REASONS(X)                                                               \
    X(LEAVE_SOCKET_CLOSED, "closed", true, true)                                       \
    X(LEAVE_ASKED, "left", true, false)                                                \
    X(LEAVE_JOIN_FAILED, "closed", true, false)                                        \
    X(LEAVE_KICKED, "kicked", false, false)                                            \
    X(LEAVE_KICKED_BEFORE, "kicked", true, false) /* may be in again since */          \
    X(LEAVE_NO_RIGHT, "kicked", true, false)      /* its token gives none any more */  \
    X(LEAVE_ROOM_CLOSED, "closed", true, false)   /* may be in the next one */         \
    X(LEAVE_EXPIRED, "expired", true, false)

enum leave_reason {
#define X(id, word, is_counted, has_grace) id,
    LEAVE_REASONS(X)
#undef X
};

const char *leave_reason_word(enum leave_reason reason);
bool leave_reason_is_counted(enum leave_reason reason);
bool leave_reason_has_grace(enum leave_reason reason);

#endif
