/* list.h - intrusive doubly linked lists.
 *
 * The link is a field of the object, so being in a list costs no allocation and
 * leaving one is O(1). A link that is in no list points to itself, so list_remove
 * may be called twice. A list head is a link too.
 */
#ifndef COMMON_LIST_H
#define COMMON_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next, *prev;
};

/* The object of type `type` whose field `field` is `link`. */
#define list_entry(link, type, field)                                                  \
    ((type *)(void *)((char *)(link)-offsetof(type, field)))

/* Walks `head`; the body may remove the current link, but no other. */
#define list_each(link, head)                                                          \
    for (struct list *link = (head)->next, *link##_next = link->next; link != (head);  \
         link = link##_next, link##_next = link->next)

static inline void list_init(struct list *link)
{
    link->next = link->prev = link;
}

static inline bool list_is_empty(const struct list *head)
{
    return head->next == head;
}

/* Adds at the end of the list. `link` must be in no list. */
static inline void list_add(struct list *head, struct list *link)
{
    link->prev = head->prev;
    link->next = head;
    head->prev->next = link;
    head->prev = link;
}

static inline void list_remove(struct list *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    list_init(link);
}

/* Moves all links of `from` into `to`, which need not be initialized, in their order. */
static inline void list_take_all(struct list *to, struct list *from)
{
    list_init(to);
    if (list_is_empty(from))
        return;
    *to = *from;
    to->next->prev = to->prev->next = to;
    list_init(from);
}

/* The first link, or NULL. */
static inline struct list *list_first(struct list *head)
{
    return list_is_empty(head) ? NULL : head->next;
}

#endif
