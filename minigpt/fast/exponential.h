/* e^x to the last digit but one, in a form that compilers turn into vector code: 2^k times a short series; and numbers
 * in bfloat16, the upper halves of float32's. */
#include <math.h>
#include <stdint.h>
#include <string.h>

static inline float exponential(float x) {
    x = x < -87 ? -87 : x > 88 ? 88 : x;
    float k = rintf(x * 1.44269504f), r = x - k * 0.693359375f + k * 2.12194440e-4f;
    float series = 1 + r * (1 + r * (0.5f + r * (1 / 6.f + r * (1 / 24.f + r * (1 / 120.f + r * (1 / 720.f))))));
    int32_t bits = ((int32_t)k + 127) << 23;
    float power;
    memcpy(&power, &bits, 4);
    return series * power;
}

typedef uint16_t bfloat;

static inline float widened(bfloat x) {
    uint32_t bits = (uint32_t)x << 16;
    float wide;
    memcpy(&wide, &bits, 4);
    return wide;
}

/* To the nearest, halves to even. */
static inline bfloat narrowed(float x) {
    uint32_t bits;
    memcpy(&bits, &x, 4);
    return x != x ? 0x7fc0 : (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}
