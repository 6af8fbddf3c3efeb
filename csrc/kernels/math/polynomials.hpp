// Coefficients of the functions of this folder, the lowest first.
// Written by scripts/fit_polynomials.py, which says how they are found.
#pragma once
// clang-format off: one coefficient a line

namespace cordwood::kernels::math {
namespace {

/// 1 / log(2).
constexpr float kLog2e = 0x1.715476p+0f;
/// log(2) to 15 bits: times an exponent it is exact.
constexpr float kLog2High = 0x1.62e4p-1f;
/// the rest of log(2).
constexpr float kLog2Low = 0x1.7f7d1cp-20f;
/// Phi is 1 from here on, in float32.
constexpr float kGeluEnd = 0x1.59999ap+2f;
/// 2 / kGeluEnd^2.
constexpr float kGeluScale = 0x1.18eecap-4f;
/// below it kErf, above it kErfc.
constexpr float kErfMiddle = 0x1.cp-1f;
/// erf is 1 from here on, in float32.
constexpr float kErfEnd = 0x1.f9999ap+1f;
/// 2 / pi.
constexpr float kTwoOverPi = 0x1.45f306p-1f;
/// pi / 2 in three parts.
constexpr float kHalfPi1 = 0x1.921fb6p+0f;
constexpr float kHalfPi2 = -0x1.777a5cp-25f;
constexpr float kHalfPi3 = -0x1p-49f;
/// the fixed point of mean 0 and variance 1.
constexpr float kSeluAlpha = 0x1.ac5afap+0f;
constexpr float kSeluScale = 0x1.0cfabep+0f;
/// 2 * sqrt(2 / pi).
constexpr float kGeluTanhSlope = 0x1.988454p+0f;
/// the cubic term's factor.
constexpr float kGeluTanhCube = 0x1.2444f2p-4f;

/// (exp(r) - 1 - r) / r^2, |r| <= log(2) / 2; 4.6e-09 off at most.
constexpr float kExp[] = {
    0x1p-1f,
    0x1.55548cp-3f,
    0x1.55545cp-5f,
    0x1.123dp-7f,
    0x1.6db678p-10f,
};

/// (2^f - 1) / f, |f| <= 1/2; 1.3e-07 off at most.
constexpr float kExp2[] = {
    0x1.62e424p-1f,
    0x1.ebf9b4p-3f,
    0x1.c6baa2p-5f,
    0x1.3cecap-7f,
    0x1.5ab438p-10f,
};

/// (log(1 + f) - f + f^2 / 2) / f^3, f from sqrt(1/2) - 1 to sqrt(2) - 1; 6.4e-09 off at most.
constexpr float kLog[] = {
    0x1.55554ap-2f,
    -0x1.00022p-2f,
    0x1.99a596p-3f,
    -0x1.54788ap-3f,
    0x1.226e4ap-3f,
    -0x1.0ce07ap-3f,
    0x1.07d0f2p-3f,
    -0x1.41ee14p-4f,
};

/// (Phi(x) - 1/2) / x in w = x^2 * kGeluScale - 1; 7.2e-08 off at most.
constexpr float kGelu[] = {
    0x1.0c240ap-3f,
    -0x1.0b9572p-4f,
    0x1.8d4f26p-5f,
    -0x1.412d82p-5f,
    0x1.071696p-5f,
    -0x1.a5ea04p-6f,
    0x1.42078ap-6f,
    -0x1.c8e07ap-7f,
    0x1.3b1e32p-7f,
    -0x1.baad14p-8f,
    0x1.e77898p-9f,
    -0x1.2da24cp-10f,
    0x1.afedfep-11f,
    -0x1.10d318p-10f,
    0x1.ad8f1cp-12f,
};

/// erf(z) / z - 1 in z^2, |z| <= kErfMiddle; 1.1e-08 off at most.
constexpr float kErf[] = {
    0x1.06eba8p-3f,
    -0x1.812744p-2f,
    0x1.ce2e8ep-4f,
    -0x1.b81a72p-6f,
    0x1.5542a4p-8f,
    -0x1.aec8a2p-11f,
    0x1.6cdc76p-14f,
};

/// log(erfc(z)) in t = z - kErfMiddle, z from kErfMiddle to kErfEnd; 8.5e-09 off at most.
constexpr float kErfc[] = {
    -0x1.88672ep+0f,
    -0x1.37117p+1f,
    -0x1.a7306ep-1f,
    -0x1.803266p-5f,
    0x1.737efcp-7f,
    -0x1.1db298p-9f,
    0x1.0c421cp-12f,
    0x1.ca4e58p-18f,
    -0x1.13ea26p-17f,
    0x1.048962p-20f,
};

/// (sin(r) / r - 1) / r^2 in r^2, |r| a little over pi / 4; 3.6e-09 off at most.
constexpr float kSin[] = {
    -0x1.555556p-3f,
    0x1.111106p-7f,
    -0x1.a00d58p-13f,
    0x1.6c5324p-19f,
};

/// (cos(r) - 1 + r^2 / 2) / r^4 in r^2, |r| a little over pi / 4; 6.0e-10 off at most.
constexpr float kCos[] = {
    0x1.555556p-5f,
    -0x1.6c16b6p-10f,
    0x1.a00f3p-16f,
    -0x1.23c7f2p-22f,
};

}  // namespace
}  // namespace cordwood::kernels::math
