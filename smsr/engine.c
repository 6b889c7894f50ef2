#include "smsr/engine.h"

#include "providers/core/secret.h"

static void no_report(void *arg, const char *sentence)
{
    (void)arg;
    (void)sentence;
}

enum status engine_init(struct engine *engine)
{
    memset(engine, 0, sizeof(*engine));
    TRY(secret_init());
    TRY(provider_select(no_report, NULL));
    TRY(provider_new(&engine->provider));
    engine->sym = provider_sym(engine->provider);
    enum status s = drbg_new(&engine->drbg, (struct span){NULL, 0});
    if (s != STATUS_OK) {
        engine_fini(engine);
    }
    return s;
}

void engine_fini(struct engine *engine)
{
    drbg_free(&engine->drbg);
    provider_free(&engine->provider);
    memset(engine, 0, sizeof(*engine));
}

enum status engine_verify_vartime(struct engine *engine, enum curve curve,
                                  const uint8_t point[static EC_POINT_LEN], struct span message,
                                  const uint8_t signature[static EC_SIGNATURE_LEN])
{
    uint8_t digest[SHA256_LEN];
    enum status out = STATUS_COULD_NOT_TELL;
    TRY(sym_sha256(engine->sym, message, digest));
    const struct verify_item item = {curve, point, digest, signature};
    provider_verify_vartime(engine->provider, 1, &item, &out);
    return out;
}
