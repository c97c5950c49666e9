/* GELU by its tanh formula, and its gradient, on a CPU: x / (1 + e^(-2u)) with u = sqrt(2/pi) (x + 0.044715 x^3), which is
 * x (1 + tanh u) / 2. In float32 and in bfloat16, computed in float32. gelu.py calls and compares. */
#include "exponential.h"

#define SLOPE 1.5957691216f /* 2 sqrt(2/pi) */
#define CUBE 0.0713548163f  /* of it 0.044715 */

static inline float value(float x) { return x / (1 + exponential(-x * (SLOPE + CUBE * x * x))); }

static inline float slope(float x) {
    float square = x * x, power = exponential(-x * (SLOPE + CUBE * square)), share = 1 / (1 + power);
    float rest = power * share; /* 1 - share, of which no digit is lost where share is nearly 1 */
    return share + x * share * rest * (SLOPE + 3 * CUBE * square);
}

#define ALL _Pragma("omp parallel for num_threads(threads)") for (int64_t i = 0; i < n; i++)

void gelu(const float *x, float *y, int64_t n, int threads) { ALL y[i] = value(x[i]); }

void gradient(const float *x, const float *by_y, float *by_x, int64_t n, int threads) {
    ALL by_x[i] = by_y[i] * slope(x[i]);
}

void gelu_bfloat16(const bfloat *x, bfloat *y, int64_t n, int threads) { ALL y[i] = narrowed(value(widened(x[i]))); }

void gradient_bfloat16(const bfloat *x, const bfloat *by_y, bfloat *by_x, int64_t n, int threads) {
    ALL by_x[i] = narrowed(widened(by_y[i]) * slope(widened(x[i])));
}
