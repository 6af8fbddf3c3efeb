// One question for each instruction-set row: does this processor have all of it, and does the
// operating system save the registers? Every probe asks the hardware anew and keeps no state; the
// dispatch table remembers the answer.
#pragma once

namespace cordwood::base {

/// AVX2, FMA, F16C and BMI2: Haswell, Zen and later.
bool cpu_has_avx2() noexcept;

/// AVX-VNNI, with AVX2, FMA, F16C and BMI2: Alder Lake, Zen 5 and later.
bool cpu_has_avxvnni() noexcept;

/// AVX-512 F, BW, DQ and VL, with AVX2, FMA, F16C and BMI2: Skylake servers and later.
bool cpu_has_avx512() noexcept;

/// AVX-512 F, BW, DQ, VL, CD, VBMI, VBMI2, VNNI and GFNI, with AVX2, FMA, F16C and BMI2: Ice Lake, Zen 4 and
/// later.
bool cpu_has_avx512icl() noexcept;

/// The same with dot products of bfloat16 pairs: Cooper Lake, Sapphire Rapids, Zen 4 and later.
bool cpu_has_avx512bf16() noexcept;

/// AdvSIMD, which every 64-bit ARM processor has that runs an operating system.
bool cpu_has_neon() noexcept;

/// The same with dot products of bytes: Cortex-A75 and -A55, Apple M1, Graviton 2 and later.
bool cpu_has_neon_dotprod() noexcept;

/// The same with products of bytes of either sign: Cortex-A510, Apple M2, Graviton 3 and later.
bool cpu_has_neon_i8mm() noexcept;

}  // namespace cordwood::base
