// From a caller's rows to columns of the ensemble's input type: the one pass over the input.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.hpp"
#include "plan/load_rule.hpp"
#include "runtime/dispatch.hpp"
#include "runtime/rows.hpp"

namespace cordwood::runtime {

/// Checks what does not depend on the values: type and number of features.
Status check_rows(const RowsView& rows, uint32_t n_features) noexcept;

/// Loads the same features, by the same rule, of any rows.
class RowLoader {
 public:
  /// `features` ascend. May throw std::bad_alloc.
  RowLoader(const plan::LoadRule& rule, std::vector<uint32_t> features, const KernelRow& kernels);

  [[nodiscard]] const std::vector<uint32_t>& features() const noexcept { return features_; }

  /// Casts the features of all rows: row r of features()[i] goes to `out[i * stride + r]`.
  Status load(const RowsView& rows, float* out, uint64_t stride) const noexcept;
  Status load(const RowsView& rows, double* out, uint64_t stride) const noexcept;

 private:
  /// Neighbouring features.
  struct Run {
    uint32_t first_feature;
    uint32_t first_column;
    uint32_t count;
  };

  template <class Float>
  Status load_any(const RowsView& rows, Float* out, uint64_t stride) const noexcept;
  template <class Source, class Float>
  Status load_as(const RowsView& rows, Float* out, uint64_t stride) const noexcept;
  template <class Source, class Float>
  void load_strip(const RowsView& rows, Float* out, uint64_t stride) const noexcept;
  template <class Source, class Float>
  void load_runs(const RowsView& rows, Float* out, uint64_t stride) const noexcept;

  plan::LoadRule rule_;
  std::vector<uint32_t> features_;
  std::vector<Run>
      runs_;  ///< empty where they are so short that rows are better taken apart singly
  kernels::LoadColumns f32_f32_, f32_f64_, f64_f32_, f64_f64_;
};

}  // namespace cordwood::runtime
