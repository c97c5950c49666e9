/* GELU by its tanh formula, and its gradient, on a CPU: x / (1 + e^(-2u)) with u = sqrt(2/pi) (x + 0.044715 x^3), which is
 * x (1 + tanh u) / 2. gelu.py calls and compares. */
#include "exponential.h"

#define SLOPE 1.5957691216f /* 2 sqrt(2/pi) */
#define CUBE 0.0713548163f  /* of it 0.044715 */

void gelu(const float *x, float *y, int64_t n, int threads) {
#pragma omp parallel for num_threads(threads)
    for (int64_t i = 0; i < n; i++) y[i] = x[i] / (1 + exponential(-x[i] * (SLOPE + CUBE * x[i] * x[i])));
}

void gradient(const float *x, const float *by_y, float *by_x, int64_t n, int threads) {
#pragma omp parallel for num_threads(threads)
    for (int64_t i = 0; i < n; i++) {
        float square = x[i] * x[i], power = exponential(-x[i] * (SLOPE + CUBE * square)), share = 1 / (1 + power);
        float rest = power * share; /* 1 - share, of which no digit is lost where share is nearly 1 */
        by_x[i] = by_y[i] * (share + x[i] * share * rest * (SLOPE + 3 * CUBE * square));
    }
}
