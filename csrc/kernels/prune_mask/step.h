/* prune_mask, innermost: scores as integers that order like them, and the choice within one group of
 * neighbours. Plain C11, shared by every row and device. */
#ifndef CORDWOOD_KERNELS_PRUNE_MASK_STEP_H
#define CORDWOOD_KERNELS_PRUNE_MASK_STEP_H

#include <stdint.h>
#include <string.h>

#include "base/step.h"

#define CORDWOOD_PRUNE_INFINITY 0x7F800000 /* keys of NaN lie beyond it, on either side */

/* An integer that orders like the score, -0 beside +0; of a magnitude where the score is not signed. */
CORDWOOD_STEP int32_t cordwood_prune_key(float score, uint32_t is_signed) {
  uint32_t bits;
  memcpy(&bits, &score, sizeof bits);
  const int32_t magnitude = (int32_t)(bits & 0x7FFFFFFFu);
  return is_signed != 0 && bits >> 31 != 0 ? -magnitude : magnitude;
}

CORDWOOD_STEP int cordwood_prune_key_is_nan(int32_t key) {
  return key > CORDWOOD_PRUNE_INFINITY || key < -CORDWOOD_PRUNE_INFINITY;
}

/* How many of `size` neighbours stay where `keep` of `of` do: the share, rounded up. */
CORDWOOD_STEP uint32_t cordwood_prune_kept(uint32_t size, uint32_t keep, uint32_t of) {
  return (size * keep + of - 1) / of;
}

/* Whether neighbour `other` beats neighbour `own`: of equal keys the one with the lower index does. */
CORDWOOD_STEP uint32_t cordwood_prune_beats(int32_t other_key, uint32_t other, int32_t own_key,
                                            uint32_t own) {
  return other_key > own_key || (other_key == own_key && other < own) ? 1u : 0u;
}

/* Chooses `keep` of `size` neighbours: those that fewer than `keep` others beat. */
CORDWOOD_STEP void cordwood_prune_group(const int32_t* keys, uint32_t size, uint32_t keep,
                                        uint8_t* mask) {
  for (uint32_t i = 0; i < size; ++i) {
    uint32_t beaten = 0;
    for (uint32_t j = 0; j < i; ++j) beaten += cordwood_prune_beats(keys[j], j, keys[i], i);
    for (uint32_t j = i + 1; j < size; ++j) beaten += cordwood_prune_beats(keys[j], j, keys[i], i);
    mask[i] = beaten < keep ? 1 : 0;
  }
}

/* A score as sums of blocks add it. */
CORDWOOD_STEP float cordwood_prune_score(float score, uint32_t is_signed) {
  return is_signed != 0 || score >= 0.0f ? score : -score;
}

#endif
