/* prune_mask, innermost: scores as integers that order like them, and the choice within one group of
 * neighbours. Plain C11, shared by every row and device. */
#ifndef CORDWOOD_KERNELS_PRUNE_MASK_STEP_H
#define CORDWOOD_KERNELS_PRUNE_MASK_STEP_H

#include <stdint.h>
#include <string.h>

#define CORDWOOD_PRUNE_INFINITY 0x7F800000 /* keys of NaN lie beyond it, on either side */

/* An integer that orders like the score, -0 beside +0; of a magnitude where the score is not signed. */
static inline int32_t cordwood_prune_key(float score, uint32_t is_signed) {
  uint32_t bits;
  memcpy(&bits, &score, sizeof bits);
  const int32_t magnitude = (int32_t)(bits & 0x7FFFFFFFu);
  return is_signed != 0 && bits >> 31 != 0 ? -magnitude : magnitude;
}

static inline int cordwood_prune_key_is_nan(int32_t key) {
  return key > CORDWOOD_PRUNE_INFINITY || key < -CORDWOOD_PRUNE_INFINITY;
}

/* How many of `size` neighbours stay where `keep` of `of` do: the share, rounded up. */
static inline uint32_t cordwood_prune_kept(uint32_t size, uint32_t keep, uint32_t of) {
  return (size * keep + of - 1) / of;
}

/* Chooses `keep` of `size` neighbours: those that fewer than `keep` others beat. Of equal keys the one
 * with the lower index beats the other. */
static inline void cordwood_prune_group(const int32_t* keys, uint32_t size, uint32_t keep,
                                        uint8_t* mask) {
  for (uint32_t i = 0; i < size; ++i) {
    uint32_t beaten = 0;
    for (uint32_t j = 0; j < i; ++j) beaten += keys[j] >= keys[i] ? 1u : 0u;
    for (uint32_t j = i + 1; j < size; ++j) beaten += keys[j] > keys[i] ? 1u : 0u;
    mask[i] = beaten < keep ? 1 : 0;
  }
}

#endif
