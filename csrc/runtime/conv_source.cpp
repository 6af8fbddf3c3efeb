#include "runtime/conv_source.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "runtime/channel_order.hpp"
#include "runtime/memory.hpp"

namespace cordwood::runtime {
namespace {

/// Bytes that kernels may read past a copy.
constexpr uint64_t kSlack = 64;

/// The input position that a position of the copy holds, or -1: border, or a zero between.
int64_t source_of(const ConvAxis& axis, uint64_t at, uint64_t size) noexcept {
  const int64_t from = static_cast<int64_t>(at) - axis.before;
  const auto spread = static_cast<int64_t>(axis.spread);
  if (from < 0 || from % spread != 0 || from / spread >= static_cast<int64_t>(size)) return -1;
  return from / spread;
}

/// How numbers become the bytes of a copy.
struct Coding {
  float factor;
  float least;
  float most;
  int32_t zero;
};

class Copier {
 public:
  Copier(const ImageCopy& work, const ArrayKernels& kernels, const Coding& coding) noexcept
      : work_(work),
        kernels_(kernels),
        coding_(coding),
        channels_(work.plan.channels()),
        width_(work.plan.floats() ? sizeof(float) : 1),
        fill_(work.plan.floats() ? 0 : work.plan.zero()) {}

  void run() const noexcept {
    const auto& axes = work_.plan.axes();
    const Padded& padded = work_.padded;
    for (uint64_t z = 0; z < padded.size[0]; ++z) {
      const int64_t from_z = source_of(axes[0], z, work_.size[0]);
      for (uint64_t y = 0; y < padded.size[1]; ++y) {
        const int64_t from_y = source_of(axes[1], y, work_.size[1]);
        std::byte* to = work_.copy + (z * padded.plane_stride + y * padded.row_stride) * width_;
        if (from_z < 0 || from_y < 0) {
          fill(to, padded.size[2]);
        } else {
          put_row(static_cast<uint64_t>(from_z), static_cast<uint64_t>(from_y), to);
        }
      }
    }
    const uint64_t used = padded.size[0] * padded.plane_stride * width_;
    std::memset(work_.copy + used, 0, padded.bytes - used);
  }

 private:
  void fill(std::byte* to, uint64_t positions) const noexcept {
    std::memset(to, fill_, positions * channels_ * width_);
  }

  void put_row(uint64_t z, uint64_t y, std::byte* to) const noexcept {
    const ConvAxis& axis = work_.plan.axes()[2];
    const uint64_t all = work_.padded.size[2];
    if (axis.spread != 1) {
      fill(to, all);
      for (uint64_t x = 0; x < work_.size[2]; ++x) {
        const int64_t at = static_cast<int64_t>(x * axis.spread) + axis.before;
        if (at < 0 || at >= static_cast<int64_t>(all)) continue;
        put(z, y, x, 1, to + static_cast<uint64_t>(at) * channels_ * width_);
      }
      return;
    }
    const uint64_t cut = axis.before < 0 ? static_cast<uint64_t>(-axis.before) : 0;
    const uint64_t left = std::min(axis.before > 0 ? static_cast<uint64_t>(axis.before) : 0, all);
    const uint64_t held = work_.size[2] > cut ? work_.size[2] - cut : 0;
    const uint64_t middle = std::min(held, all - left);
    fill(to, left);
    to += left * channels_ * width_;
    if (middle != 0) put(z, y, cut, middle, to);
    fill(to + middle * channels_ * width_, all - left - middle);
  }

  /// `n` positions from x on.
  void put(uint64_t z, uint64_t y, uint64_t x, uint64_t n, std::byte* to) const noexcept {
    const Images& images = work_.images;
    const uint64_t numbers = n * channels_;
    if (images.kind != ImageKind::float32) {
      const auto* from = static_cast<const uint8_t*>(images.data) +
                         work_.image * images.image_stride + z * images.plane_stride +
                         y * images.row_stride + x * channels_;
      std::memcpy(to, from, numbers);
      if (images.kind != ImageKind::int8) return;
      auto* bytes = reinterpret_cast<uint8_t*>(to);
      for (uint64_t i = 0; i < numbers; ++i) bytes[i] = static_cast<uint8_t>(bytes[i] ^ 128u);
      return;
    }
    const auto* from = static_cast<const float*>(images.data);
    if (images.channels_first) {
      const uint64_t plane = count(work_.size);
      from += work_.image * channels_ * plane + (z * work_.size[1] + y) * work_.size[2] + x;
      auto* row = reinterpret_cast<float*>(work_.plan.floats() ? to : work_.row);
      gather_channels(from, n, channels_, plane, row);
      from = row;
    } else {
      from += work_.image * images.image_stride + z * images.plane_stride + y * images.row_stride +
              x * channels_;
      if (work_.plan.floats()) std::memcpy(to, from, numbers * sizeof(float));
    }
    if (work_.plan.floats()) return;
    kernels_.image_codes_f32({.x = from,
                              .codes = reinterpret_cast<uint8_t*>(to),
                              .n = numbers,
                              .factor = coding_.factor,
                              .least = coding_.least,
                              .most = coding_.most,
                              .zero = coding_.zero});
  }

  const ImageCopy& work_;
  const ArrayKernels& kernels_;
  Coding coding_;
  uint64_t channels_;
  uint64_t width_;  ///< bytes of a number
  int fill_;
};

/// The largest magnitude of an image.
float top_of(const ImageCopy& work, const ArrayKernels& kernels) noexcept {
  const Images& images = work.images;
  const uint64_t channels = work.plan.channels();
  const auto* numbers = static_cast<const float*>(images.data);
  if (images.channels_first) {
    const uint64_t size = count(work.size) * channels;
    return kernels.image_top_f32(numbers + work.image * size, size);
  }
  float top = 0.0f;
  for (uint64_t z = 0; z < work.size[0]; ++z) {
    for (uint64_t y = 0; y < work.size[1]; ++y) {
      const float* row = numbers + work.image * images.image_stride + z * images.plane_stride +
                         y * images.row_stride;
      top = std::max(top, kernels.image_top_f32(row, work.size[2] * channels));
    }
  }
  return top;
}

}  // namespace

Padded plan_padded(const ConvPlan& plan, const Images& images, bool bordered, const Space& size,
                   const Space& output) noexcept {
  Padded padded{};
  bool inside = true;  // all windows lie within the image
  bool spread = false;
  for (uint32_t i = 0; i < CORDWOOD_MAX_SPACE; ++i) {
    const ConvAxis& axis = plan.axes()[i];
    padded.size[i] = (output[i] - 1) * axis.stride + (axis.kernel - 1) * axis.dilation + 1;
    inside = inside && axis.before == 0 && padded.size[i] <= size[i];
    bordered = bordered && axis.before >= 0;
    spread = spread || axis.spread != 1;
  }
  const bool same_kind = plan.floats() ? images.kind == ImageKind::float32 && !images.channels_first
                                       : images.kind == ImageKind::uint8;
  // Steps of four bytes must not read what is not there.
  const bool whole =
      plan.floats() || plan.depthwise() || plan.segment_inputs() % kernels::kConvInputs == 0;
  padded.direct = same_kind && !spread && (inside || bordered) && whole;
  if (padded.direct) {
    const auto& axes = plan.axes();
    padded.row_stride = images.row_stride;
    padded.plane_stride = images.plane_stride;
    padded.offset = static_cast<uint64_t>(axes[0].before) * padded.plane_stride +
                    static_cast<uint64_t>(axes[1].before) * padded.row_stride +
                    static_cast<uint64_t>(axes[2].before) * plan.channels();
    return padded;
  }
  const uint64_t width = plan.floats() ? sizeof(float) : 1;
  padded.row_stride = padded.size[2] * plan.channels();
  padded.plane_stride = padded.size[1] * padded.row_stride;
  padded.bytes = whole_lines(padded.size[0] * padded.plane_stride * width + kSlack);
  padded.row_bytes = whole_lines(size[2] * plan.channels() * sizeof(float));
  return padded;
}

Status copy_image(const ImageCopy& work, const ArrayKernels& kernels, float& scale) noexcept {
  Coding coding{.factor = 0.0f, .least = 0.0f, .most = 255.0f, .zero = 0};
  scale = work.images.scale;
  if (!work.plan.floats() && work.images.kind == ImageKind::float32) {
    const float top = top_of(work, kernels);
    if (!(top < INFINITY)) {
      return fail(CORDWOOD_STATUS_nan_refused, "x", "image {} holds NaN or an infinity",
                  work.image);
    }
    const cordwood_linear_attributes& product = work.plan.product();
    // int8 without a zero point leaves out -128.
    const int32_t zero = work.plan.zero();
    const bool even = product.rows != CORDWOOD_ROWS_UINT8_STATIC && zero == kSignedZero;
    coding.zero = zero;
    coding.least = even ? -127.0f : static_cast<float>(-zero);
    coding.most = static_cast<float>(255 - zero);
    if (product.rows != CORDWOOD_ROWS_INT8_DYNAMIC) {
      scale = product.row_scale;
      coding.factor = 1.0f / scale;
    } else {
      const bool zeros = top < 0x1p-100f;
      scale = zeros ? 0.0f : top / 127.0f;
      coding.factor = zeros ? 0.0f : 127.0f / top;
    }
  }
  Copier(work, kernels, coding).run();
  return {};
}

}  // namespace cordwood::runtime
