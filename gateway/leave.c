/* leave.c - see leave.h. */
#include "gateway/leave.h"

struct leave_reason_row {
    const char *word;
    bool is_counted, has_grace;
};

static const struct leave_reason_row leave_reasons[] = {
#define X(id, word, is_counted, has_grace) [id] = {word, is_counted, has_grace},
    LEAVE_REASONS(X)
#undef X
};

const char *leave_reason_word(enum leave_reason reason)
{
    return leave_reasons[reason].word;
}

bool leave_reason_is_counted(enum leave_reason reason)
{
    return leave_reasons[reason].is_counted;
}

bool leave_reason_has_grace(enum leave_reason reason)
{
    return leave_reasons[reason].has_grace;
}
