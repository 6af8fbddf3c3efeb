// SIMD video instructions: a word as four bytes or two halfwords.
#pragma once

namespace cuda_emulator {

// The word of op(lane of x, lane of y); Lane says width and sign.
template <class Lane, class Op>
constexpr unsigned int by_lanes(unsigned int x, unsigned int y, Op op) {
  constexpr unsigned int kBits = 8 * sizeof(Lane);
  constexpr unsigned int kLane = (1u << kBits) - 1;
  unsigned int word = 0;
  for (unsigned int shift = 0; shift < 32; shift += kBits) {
    const int of_x = static_cast<Lane>(x >> shift & kLane);
    const int of_y = static_cast<Lane>(y >> shift & kLane);
    word |= (static_cast<unsigned int>(op(of_x, of_y)) & kLane) << shift;
  }
  return word;
}

template <class Lane, class Op>
constexpr unsigned int sum_of_lanes(unsigned int x, unsigned int y, Op op) {
  unsigned int sum = 0;
  for (unsigned int shift = 0; shift < 32; shift += 8 * sizeof(Lane)) {
    sum += static_cast<unsigned int>(
        op(int{static_cast<Lane>(x >> shift)}, int{static_cast<Lane>(y >> shift)}));
  }
  return sum;
}

// The nearest value that Lane holds.
template <class Lane>
constexpr int saturated(int value) {
  constexpr bool kSigned = static_cast<Lane>(-1) < 0;
  constexpr int kMost = (1 << (8 * sizeof(Lane) - (kSigned ? 1 : 0))) - 1;
  constexpr int kLeast = kSigned ? -kMost - 1 : 0;
  return value > kMost ? kMost : value < kLeast ? kLeast : value;
}

constexpr int distance(int x, int y) {
  return x > y ? x - y : y - x;
}

}  // namespace cuda_emulator

#define EMULATED_SIMD(name, lane, result)                                                          \
  constexpr unsigned int name(unsigned int a, unsigned int b) {                                    \
    return cuda_emulator::by_lanes<lane>(a, b, [](int x, int y) -> int { return result; });        \
  }
#define EMULATED_SIMD_ONE(name, lane, result)                                                      \
  constexpr unsigned int name(unsigned int a) {                                                    \
    return cuda_emulator::by_lanes<lane>(a, a, [](int x, int) -> int { return result; });          \
  }
#define EMULATED_SIMD_SUM(name, lane, result)                                                      \
  constexpr unsigned int name(unsigned int a, unsigned int b) {                                    \
    return cuda_emulator::sum_of_lanes<lane>(a, b, [](int x, int y) -> int { return result; });    \
  }
// A comparison as a mask (vcmp) and as a one (vset).
#define EMULATED_SIMD_TEST(test, lanes, lane, result)                                              \
  EMULATED_SIMD(__vcmp##test##lanes, lane, (result) ? -1 : 0)                                      \
  EMULATED_SIMD(__vset##test##lanes, lane, (result) ? 1 : 0)

#define EMULATED_SIMD_WIDTH(lanes, signed_lane, unsigned_lane)                                     \
  EMULATED_SIMD(__vadd##lanes, unsigned_lane, x + y)                                               \
  EMULATED_SIMD(__vsub##lanes, unsigned_lane, x - y)                                               \
  EMULATED_SIMD(__vaddss##lanes, signed_lane, cuda_emulator::saturated<signed_lane>(x + y))        \
  EMULATED_SIMD(__vsubss##lanes, signed_lane, cuda_emulator::saturated<signed_lane>(x - y))        \
  EMULATED_SIMD(__vaddus##lanes, unsigned_lane, cuda_emulator::saturated<unsigned_lane>(x + y))    \
  EMULATED_SIMD(__vsubus##lanes, unsigned_lane, cuda_emulator::saturated<unsigned_lane>(x - y))    \
  EMULATED_SIMD(__vmaxs##lanes, signed_lane, x > y ? x : y)                                        \
  EMULATED_SIMD(__vmins##lanes, signed_lane, x < y ? x : y)                                        \
  EMULATED_SIMD(__vmaxu##lanes, unsigned_lane, x > y ? x : y)                                      \
  EMULATED_SIMD(__vminu##lanes, unsigned_lane, x < y ? x : y)                                      \
  EMULATED_SIMD(__vavgu##lanes, unsigned_lane, (x + y + 1) >> 1)                                   \
  EMULATED_SIMD(__vhaddu##lanes, unsigned_lane, (x + y) >> 1)                                      \
  EMULATED_SIMD(__vabsdiffu##lanes, unsigned_lane, cuda_emulator::distance(x, y))                  \
  EMULATED_SIMD(__vabsdiffs##lanes, signed_lane, cuda_emulator::distance(x, y))                    \
  EMULATED_SIMD_SUM(__vsadu##lanes, unsigned_lane, cuda_emulator::distance(x, y))                  \
  EMULATED_SIMD_SUM(__vsads##lanes, signed_lane, cuda_emulator::distance(x, y))                    \
  EMULATED_SIMD_ONE(__vneg##lanes, unsigned_lane, -x)                                              \
  EMULATED_SIMD_ONE(__vabs##lanes, signed_lane, x < 0 ? -x : x)                                    \
  EMULATED_SIMD_ONE(__vnegss##lanes, signed_lane, cuda_emulator::saturated<signed_lane>(-x))       \
  EMULATED_SIMD_ONE(__vabsss##lanes, signed_lane,                                                  \
                    cuda_emulator::saturated<signed_lane>(x < 0 ? -x : x))                         \
  EMULATED_SIMD_TEST(eq, lanes, unsigned_lane, x == y)                                             \
  EMULATED_SIMD_TEST(ne, lanes, unsigned_lane, x != y)                                             \
  EMULATED_SIMD_TEST(ges, lanes, signed_lane, x >= y)                                              \
  EMULATED_SIMD_TEST(gts, lanes, signed_lane, x > y)                                               \
  EMULATED_SIMD_TEST(les, lanes, signed_lane, x <= y)                                              \
  EMULATED_SIMD_TEST(lts, lanes, signed_lane, x < y)                                               \
  EMULATED_SIMD_TEST(geu, lanes, unsigned_lane, x >= y)                                            \
  EMULATED_SIMD_TEST(gtu, lanes, unsigned_lane, x > y)                                             \
  EMULATED_SIMD_TEST(leu, lanes, unsigned_lane, x <= y)                                            \
  EMULATED_SIMD_TEST(ltu, lanes, unsigned_lane, x < y)

EMULATED_SIMD_WIDTH(4, signed char, unsigned char)
EMULATED_SIMD_WIDTH(2, short, unsigned short)

#undef EMULATED_SIMD_WIDTH
#undef EMULATED_SIMD_TEST
#undef EMULATED_SIMD_SUM
#undef EMULATED_SIMD_ONE
#undef EMULATED_SIMD
