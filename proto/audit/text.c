#include "proto/audit/text.h"

#include "proto/audit/audit.h"

enum {
    US_PER_S = 1000000,
    DAY_S = 86400,
    YEAR_MAX = 9999,
    ERA_YEARS = 400, /* of the Gregorian calendar: it repeats after them */
    ERA_DAYS = 146097,
    DAYS_TO_1970 = 719468, /* from 0000-03-01 */
};

static const char hex_digits[] = "0123456789abcdef";
static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static bool byte_clean(uint8_t b)
{
    return b >= ' ' && b <= '~' && b != '"' && b != '\\';
}

bool text_clean(struct span text, size_t max)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!byte_clean(text.ptr[i])) {
            return false;
        }
    }
    return text.len <= max;
}

void put_clean(struct writer *w, struct span text, size_t max)
{
    for (size_t i = 0; i < text.len && i < max; i++) {
        put_u8(w, byte_clean(text.ptr[i]) ? text.ptr[i] : (uint8_t)'?');
    }
}

void put_hex(struct writer *w, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        put_u8(w, (uint8_t)hex_digits[bytes[i] >> 4]);
        put_u8(w, (uint8_t)hex_digits[bytes[i] & 0x0F]);
    }
}

/* The width low-order digits, with zeros in front. */
static void put_digits(struct writer *w, uint64_t v, size_t width)
{
    uint8_t digits[20]; /* of 2^64 - 1 */
    for (size_t i = width; i-- > 0; v /= 10) {
        digits[i] = (uint8_t)('0' + v % 10);
    }
    put_bytes(w, digits, width);
}

void put_decimal(struct writer *w, uint64_t v)
{
    size_t width = 1;
    for (uint64_t rest = v / 10; rest != 0; rest /= 10) {
        width++;
    }
    put_digits(w, v, width);
}

bool take_text(struct cursor *in, const char *text)
{
    struct span got;
    size_t len = strlen(text);
    return cursor_take(in, len, &got) == STATUS_OK && memcmp(got.ptr, text, len) == 0;
}

bool take_until(struct cursor *in, uint8_t end, struct span *out)
{
    const uint8_t *at = in->left == 0 ? NULL : memchr(in->ptr, end, in->left);
    struct span skipped;
    return at != NULL && cursor_take(in, (size_t)(at - in->ptr), out) == STATUS_OK &&
           cursor_take(in, 1, &skipped) == STATUS_OK;
}

static int hex_value(uint8_t digit)
{
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

bool take_hex(struct cursor *in, uint8_t *out, size_t len)
{
    struct span got;
    if (cursor_take(in, 2 * len, &got) != STATUS_OK) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        int high = hex_value(got.ptr[2 * i]), low = hex_value(got.ptr[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

bool take_decimal(struct cursor *in, uint64_t *out)
{
    size_t n = 0;
    for (*out = 0; n < in->left && in->ptr[n] >= '0' && in->ptr[n] <= '9'; n++) {
        uint64_t digit = (uint64_t)(in->ptr[n] - '0');
        if (*out > (UINT64_MAX - digit) / 10 || (n != 0 && in->ptr[0] == '0')) {
            return false;
        }
        *out = *out * 10 + digit;
    }
    struct span taken;
    return n != 0 && cursor_take(in, n, &taken) == STATUS_OK;
}

/* -- times. Years here begin in March, so that the leap day is a year's last. -- */

static uint64_t days_of_date(uint64_t year, uint64_t month, uint64_t day)
{
    uint64_t y = month > 2 ? year : year - 1, m = month > 2 ? month - 3 : month + 9;
    uint64_t in_era = y % ERA_YEARS;
    /* Months from March have 31, 30, 31, 30, 31 days and again: (153 m + 2) / 5 before month m. */
    uint64_t in_year = (153 * m + 2) / 5 + day - 1;
    return y / ERA_YEARS * ERA_DAYS + in_era * 365 + in_era / 4 - in_era / 100 + in_year -
           DAYS_TO_1970;
}

static void date_of_days(uint64_t days, uint64_t *year, uint64_t *month, uint64_t *day)
{
    uint64_t z = days + DAYS_TO_1970, in_era = z % ERA_DAYS;
    /* 1460 days are four years less one, 36524 a century, 146096 an era less one. */
    uint64_t y = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    uint64_t in_year = in_era - (365 * y + y / 4 - y / 100), m = (5 * in_year + 2) / 153;
    *day = in_year - (153 * m + 2) / 5 + 1;
    *month = m < 10 ? m + 3 : m - 9;
    *year = y + z / ERA_DAYS * ERA_YEARS + (*month <= 2 ? 1 : 0);
}

void put_time(struct writer *w, uint64_t us)
{
    uint64_t year, month, day, s = us / US_PER_S % DAY_S;

    date_of_days(us / US_PER_S / DAY_S, &year, &month, &day);
    if (year > YEAR_MAX) {
        w->overflow = true;
        return;
    }
    put_digits(w, year, 4);
    put_u8(w, '-');
    put_digits(w, month, 2);
    put_u8(w, '-');
    put_digits(w, day, 2);
    put_u8(w, 'T');
    put_digits(w, s / 3600, 2);
    put_u8(w, ':');
    put_digits(w, s / 60 % 60, 2);
    put_u8(w, ':');
    put_digits(w, s % 60, 2);
    put_u8(w, '.');
    put_digits(w, us % US_PER_S, 6);
    put_u8(w, 'Z');
}

static bool take_digits(struct cursor *in, size_t width, char end, uint64_t *out)
{
    struct span got;
    if (cursor_take(in, width + 1, &got) != STATUS_OK || got.ptr[width] != (uint8_t)end) {
        return false;
    }
    *out = 0;
    for (size_t i = 0; i < width; i++) {
        if (got.ptr[i] < '0' || got.ptr[i] > '9') {
            return false;
        }
        *out = *out * 10 + (uint64_t)(got.ptr[i] - '0');
    }
    return true;
}

bool take_time(struct cursor *in, uint64_t *us)
{
    const struct cursor begin = *in;
    uint64_t year, month, day, hour, minute, second, fraction;
    uint8_t text[AUDIT_TIME_LEN];
    struct writer w = writer_of(text, sizeof text);

    if (!take_digits(in, 4, '-', &year) || !take_digits(in, 2, '-', &month) ||
        !take_digits(in, 2, 'T', &day) || !take_digits(in, 2, ':', &hour) ||
        !take_digits(in, 2, ':', &minute) || !take_digits(in, 2, '.', &second) ||
        !take_digits(in, 6, 'Z', &fraction) || year < 1970 || month == 0 || month > 12 ||
        day == 0) {
        return false;
    }
    *us = (days_of_date(year, month, day) * DAY_S + hour * 3600 + minute * 60 + second) * US_PER_S +
          fraction;
    /* A thirtieth of February is another day's name, and no time. */
    put_time(&w, *us);
    return w.len == sizeof text && memcmp(text, begin.ptr, sizeof text) == 0;
}

/* -- base64 (RFC 4648, section 4) -- */

void put_base64(struct writer *w, struct span bytes)
{
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t have = bytes.len - i < 3 ? bytes.len - i : 3;
        uint32_t v = 0;
        for (size_t j = 0; j < 3; j++) {
            v = v << 8 | (j < have ? bytes.ptr[i + j] : 0);
        }
        for (size_t j = 0; j < 4; j++) {
            put_u8(w, j <= have ? (uint8_t)base64_digits[v >> (6 * (3 - j)) & 0x3F] : (uint8_t)'=');
        }
    }
}

static int base64_value(uint8_t digit)
{
    const char *at = digit == 0 ? NULL : strchr(base64_digits, digit);
    return at == NULL ? -1 : (int)(at - base64_digits);
}

bool base64_decode(struct span text, uint8_t *out, size_t *len)
{
    struct writer w = writer_of(out, *len);
    size_t pad = 0;

    *len = 0;
    if (text.len == 0 || text.len % 4 != 0) {
        return false;
    }
    pad = (size_t)(text.ptr[text.len - 1] == '=') +
          (size_t)(text.ptr[text.len - 1] == '=' && text.ptr[text.len - 2] == '=');
    for (size_t i = 0; i < text.len; i += 4) {
        size_t have = i + 4 == text.len ? 3 - pad : 3;
        uint32_t v = 0;
        for (size_t j = 0; j < 4; j++) {
            int digit = j <= have ? base64_value(text.ptr[i + j]) : 0;
            if (digit < 0) {
                return false;
            }
            v = v << 6 | (uint32_t)digit;
        }
        if ((v & (0xFFFFFFU >> (8 * have))) != 0) { /* bits that no byte has */
            return false;
        }
        put_be(&w, v >> (8 * (3 - have)), have);
    }
    *len = w.overflow ? 0 : w.len;
    return !w.overflow;
}
