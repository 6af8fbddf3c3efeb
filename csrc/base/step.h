/* How a kernel's innermost step is declared: once, for every compiler that takes it in. */
#ifndef CORDWOOD_BASE_STEP_H
#define CORDWOOD_BASE_STEP_H

#ifdef __CUDACC__
#define CORDWOOD_STEP static inline __host__ __device__
#else
#define CORDWOOD_STEP static inline
#endif

#endif
