/* fold.h - text with each letter in one case, for a search that finds it in either.
 *
 * As Unicode pairs letters one by one (simple case folding, by the C library's tables), so
 * `Ä` is `ä` and both forms of a Greek sigma are one; `ß` and `ss` stay different.
 */
#ifndef COMMON_FOLD_H
#define COMMON_FOLD_H

#include <locale.h>
#include <stddef.h>

#include "common/strbuf.h"

/* For fold_add; freed with freelocale. 0: this system has no C.UTF-8. */
locale_t fold_open_locale(void);

/* Adds the text in UTF-8. With the locale 0, and of bytes that are no UTF-8, only ASCII's letters
 * change. */
void fold_add(struct strbuf *out, locale_t locale, const char *bytes, size_t len);

#endif
