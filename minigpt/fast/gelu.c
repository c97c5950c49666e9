/* GELU by its tanh formula, and its gradient, on a CPU: x / (1 + e^(-2u)) with u = sqrt(2/pi) (x + 0.044715 x^3), which is
 * x (1 + tanh u) / 2. gelu.py calls and compares. */
#include <math.h>
#include <stdint.h>
#include <string.h>

#define SLOPE 1.5957691216f /* 2 sqrt(2/pi) */
#define CUBE 0.0713548163f  /* of it 0.044715 */

/* e^x to the last digit but one, as in native.c. */
static inline float exponential(float x) {
    x = x < -87 ? -87 : x > 88 ? 88 : x;
    float k = rintf(x * 1.44269504f), r = x - k * 0.693359375f + k * 2.12194440e-4f;
    float series = 1 + r * (1 + r * (0.5f + r * (1 / 6.f + r * (1 / 24.f + r * (1 / 120.f + r * (1 / 720.f))))));
    int32_t bits = ((int32_t)k + 127) << 23;
    float power;
    memcpy(&power, &bits, 4);
    return series * power;
}

void gelu(const float *x, float *y, int64_t n, int threads) {
#pragma omp parallel for num_threads(threads)
    for (int64_t i = 0; i < n; i++) y[i] = x[i] / (1 + exponential(-x[i] * (SLOPE + CUBE * x[i] * x[i])));
}

void gradient(const float *x, const float *by_y, float *by_x, int64_t n, int threads) {
#pragma omp parallel for num_threads(threads)
    for (int64_t i = 0; i < n; i++) {
        float square = x[i] * x[i], share = 1 / (1 + exponential(-x[i] * (SLOPE + CUBE * square)));
        by_x[i] = by_y[i] * (share + x[i] * share * (1 - share) * (SLOPE + 3 * CUBE * square));
    }
}
