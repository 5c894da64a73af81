/* rfc3339.c - see rfc3339.h; RFC 3339 section 5.6. */
#include "common/rfc3339.h"

#include "common/digits.h"

enum { MINUTE_MS = 60000, HOUR_MS = 3600000, DAY_MS = 86400000 };

/* Takes `count` digits from the front. */
static bool take_number(struct json_text *rest, size_t count, uint64_t min,
                        uint64_t max, uint64_t *out)
{
    if (rest->len < count || !digits_parse(rest->base, count, max, out) || *out < min)
        return false;
    rest->base += count;
    rest->len -= count;
    return true;
}

static bool take_one_of(struct json_text *rest, const char *either)
{
    if (rest->len == 0 || !memchr(either, rest->base[0], strlen(either)))
        return false;
    rest->base++;
    rest->len--;
    return true;
}

static uint64_t days_of_month(uint64_t year, uint64_t month)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30,
                                         31, 31, 30, 31, 30, 31};
    bool is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

    return days[month - 1] + (month == 2 && is_leap);
}

/* Days from the first of March of year 0; years begin with March, so that a leap day is the last. */
static uint64_t count_days(uint64_t year, uint64_t month, uint64_t day)
{
    uint64_t y = month < 3 ? year - 1 : year, m = (month + 9) % 12;

    return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1;
}

static bool take_date(struct json_text *rest, uint64_t *days)
{
    uint64_t year, month, day;

    if (!take_number(rest, 4, 1970, 9999, &year) || !take_one_of(rest, "-") ||
        !take_number(rest, 2, 1, 12, &month) || !take_one_of(rest, "-") ||
        !take_number(rest, 2, 1, days_of_month(year, month), &day))
        return false;
    *days = count_days(year, month, day) - count_days(1970, 1, 1);
    return true;
}

/* Of a second; what is not there is 0. */
static bool take_fraction(struct json_text *rest, uint64_t *ms)
{
    uint64_t digit, scale = 100;

    if (!take_one_of(rest, "."))
        return true;
    if (!take_number(rest, 1, 0, 9, &digit))
        return false;
    do {
        *ms += digit * scale;
        scale /= 10;
    } while (take_number(rest, 1, 0, 9, &digit));
    return true;
}

/* A leap second is the one after it. */
static bool take_time(struct json_text *rest, uint64_t *ms)
{
    uint64_t hour, minute, second, fraction = 0;

    if (!take_number(rest, 2, 0, 23, &hour) || !take_one_of(rest, ":") ||
        !take_number(rest, 2, 0, 59, &minute) || !take_one_of(rest, ":") ||
        !take_number(rest, 2, 0, 60, &second) || !take_fraction(rest, &fraction))
        return false;
    *ms = HOUR_MS * hour + MINUTE_MS * minute + 1000 * second + fraction;
    return true;
}

/* Ahead of UTC. */
static bool take_offset(struct json_text *rest, int64_t *ms)
{
    int64_t sign = rest->len > 0 && rest->base[0] == '-' ? -1 : 1;
    uint64_t hours, minutes;

    *ms = 0;
    if (take_one_of(rest, "zZ"))
        return true;
    if (!take_one_of(rest, "+-") || !take_number(rest, 2, 0, 23, &hours) ||
        !take_one_of(rest, ":") || !take_number(rest, 2, 0, 59, &minutes))
        return false;
    *ms = sign * (int64_t)(HOUR_MS * hours + MINUTE_MS * minutes);
    return true;
}

bool rfc3339_parse(struct json_text text, uint64_t *out)
{
    uint64_t days, ms;
    int64_t ahead, moment;

    if (!take_date(&text, &days) || !take_one_of(&text, "tT") ||
        !take_time(&text, &ms) || !take_offset(&text, &ahead) || text.len > 0)
        return false;
    moment = (int64_t)(DAY_MS * days + ms) - ahead;
    *out = (uint64_t)moment;
    return moment >= 0;
}
