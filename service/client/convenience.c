/*
 * What the rest of the interface makes easy, and the names of statuses.
 */
#include "proto/status.h"
#include "proto/wire/limits.h"
#include "service/client/ecka.h"

int ecka_verify(struct ecka_client *client, enum ecka_curve curve,
                const struct ecka_verify_item *items, size_t count, int *item_status)
{
    int st = ECKA_OK;
    for (size_t done = 0; done < count;) {
        size_t n = count - done < WIRE_VERIFY_ITEMS_MAX ? count - done : WIRE_VERIFY_ITEMS_MAX;
        struct ecka_request request = {
            .op = ECKA_VERIFY, .count = n, .items.verify = items + done, .curve = curve};
        struct ecka_reply *reply = NULL;
        if (st == ECKA_OK) {
            st = ecka_call(client, &request, &reply);
        }
        for (size_t i = 0; i < n; i++) { /* no item is ever left looking verified */
            item_status[done + i] = st == ECKA_OK ? reply->items.verify[i] : st;
        }
        ecka_reply_free(&reply);
        done += n;
    }
    return st;
}

const char *ecka_status_name(int status)
{
    return status_name((enum status)status);
}

const char *ecka_status_meaning(int status)
{
    return status_meaning((enum status)status);
}

int ecka_status_retryable(int status)
{
    return status_retryable((enum status)status) ? 1 : 0;
}
