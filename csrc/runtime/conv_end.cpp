#include "runtime/conv_end.hpp"

#include <algorithm>

#include "runtime/channel_order.hpp"

namespace cordwood::runtime {
namespace {

/// Rows on their way to or from channels first stay in L1 and L2.
constexpr uint64_t kBlockBytes = 64 << 10;

bool first(const Images& images) noexcept {
  return images.data != nullptr && images.channels_first;
}

}  // namespace

Status check_ending(const ConvCall& call) noexcept {
  const ImageKind kind = call.residual.kind;
  if (call.residual.data != nullptr && kind == ImageKind::int8) {
    return fail(CORDWOOD_STATUS_shape_mismatch, "residual",
                "int8 codes; expected float32 or codes as unsigned bytes");
  }
  if (call.out.kind != ImageKind::float32 && !(call.out.scale >= 0x1p-100f)) {
    return fail(CORDWOOD_STATUS_shape_mismatch, "out",
                "a scale of codes is positive, at least 2^-100");
  }
  const int32_t lowest = call.out.kind == ImageKind::int8 ? -128 : 0;
  if (call.out.kind != ImageKind::float32 &&
      (call.out.zero < lowest || call.out.zero > lowest + 255)) {
    return fail(CORDWOOD_STATUS_shape_mismatch, "out", "a zero point that is no code of its type");
  }
  if ((first(call.out) && call.out.kind != ImageKind::float32) ||
      (first(call.residual) && kind != ImageKind::float32)) {
    return fail(CORDWOOD_STATUS_shape_mismatch, "out",
                "codes with channels first; expected float32, or channels last");
  }
  return {};
}

ConvEnding::ConvEnding(const ConvCall& call, const Space& output, uint64_t outputs,
                       const ArrayKernels& kernels) noexcept
    : call_(call), kernels_(kernels), output_(output), outputs_(outputs) {
  const bool codes = call.out.kind != ImageKind::float32;
  const uint64_t row = output[2] * outputs;
  out_in_room_ = first(call.out) || (codes && call.activation.wanted);
  residual_in_room_ = first(call.residual);
  if (out_in_room_ || residual_in_room_ || call.activation.wanted) {
    block_rows_ = std::max<uint64_t>(1, kBlockBytes / (row * sizeof(float)));
    block_bytes_ = whole_lines(std::min(block_rows_, output[1]) * row * sizeof(float));
    room_bytes_ = block_bytes_ * 2;
  }
  end_.bias = call.bias;
  end_.position_stride = outputs;
  end_.row_stride = out_in_room_ ? row : call.out.row_stride;
  end_.residual_row_stride = residual_in_room_ ? row : call.residual.row_stride;
  end_.residual_scale = call.residual.scale;
  end_.residual_zero = call.residual.zero;
  end_.cut = call.cut ? 1 : 0;
  end_.low = call.low;
  end_.high = call.high;
  if (!codes) return;
  // Multiplying by a positive number keeps the order: both cuts become one, of what is rounded.
  const bool is_signed = call.out.kind == ImageKind::int8;
  end_.inverse = 1.0f / call.out.scale;
  end_.zero = call.out.zero + (is_signed ? kSignedZero : 0);
  end_.flip = is_signed ? kSignedZero : 0;
  const auto least = static_cast<float>(-end_.zero);
  const auto most = static_cast<float>(255 - end_.zero);
  end_.least = call.cut ? std::clamp(call.low * end_.inverse, least, most) : least;
  end_.most = call.cut ? std::clamp(call.high * end_.inverse, least, most) : most;
  if (!out_in_room_) end_.cut = 0;
}

uint64_t ConvEnding::place(const Images& images, uint64_t image, RowRange rows) const noexcept {
  if (images.channels_first) {
    return image * outputs_ * count(output_) + rows.first * output_[2];
  }
  return image * images.image_stride + rows.first / output_[1] * images.plane_stride +
         rows.first % output_[1] * images.row_stride;
}

kernels::ConvEnd ConvEnding::begin(uint64_t image, RowRange rows, std::byte* room) const noexcept {
  kernels::ConvEnd end = end_;
  if (call_.residual.data != nullptr) {
    const uint64_t at = place(call_.residual, image, rows);
    if (call_.residual.kind != ImageKind::float32) {
      end.residual_codes = static_cast<const uint8_t*>(call_.residual.data) + at;
    } else if (residual_in_room_) {
      auto* kept = reinterpret_cast<float*>(room + block_bytes_);
      gather_channels(static_cast<const float*>(call_.residual.data) + at, rows.count * output_[2],
                      outputs_, count(output_), kept);
      end.residual = kept;
    } else {
      end.residual = static_cast<const float*>(call_.residual.data) + at;
    }
  }
  if (out_in_room_) {
    end.out = reinterpret_cast<float*>(room);
  } else if (call_.out.kind == ImageKind::float32) {
    end.out = static_cast<float*>(call_.out.data) + place(call_.out, image, rows);
  } else {
    end.codes = static_cast<uint8_t*>(call_.out.data) + place(call_.out, image, rows);
  }
  return end;
}

void ConvEnding::finish(uint64_t image, RowRange rows, std::byte* room) const noexcept {
  if (!out_in_room_ && !call_.activation.wanted) return;
  const uint64_t at = place(call_.out, image, rows);
  const uint64_t row = output_[2] * outputs_;
  float* block =
      out_in_room_ ? reinterpret_cast<float*>(room) : static_cast<float*>(call_.out.data) + at;
  activate_block(kernels_, call_.activation, block, end_.row_stride, rows.count, row);
  if (!out_in_room_) return;
  if (call_.out.kind == ImageKind::float32) {
    return scatter_channels(block, rows.count * output_[2], outputs_, count(output_),
                            static_cast<float*>(call_.out.data) + at);
  }
  for (uint64_t i = 0; i < rows.count; ++i) {
    kernels_.image_codes_f32(
        {.x = block + i * row,
         .codes = static_cast<uint8_t*>(call_.out.data) + at + i * call_.out.row_stride,
         .n = row,
         .factor = end_.inverse,
         .least = end_.least,
         .most = end_.most,
         .zero = call_.out.zero});
  }
}

void join_rows(kernels::ConvWindows& windows, kernels::ConvEnd& end) noexcept {
  const uint64_t row = windows.n_positions * end.position_stride;
  const bool residual = end.residual != nullptr || end.residual_codes != nullptr;
  if (windows.row_stride != windows.n_positions * windows.position_stride ||
      end.row_stride != row || (residual && end.residual_row_stride != row)) {
    return;
  }
  if (uint64_t{windows.n_positions} * windows.n_rows > UINT32_MAX) return;
  windows.n_positions *= windows.n_rows;
  windows.n_rows = 1;
}

void skip_outputs(kernels::ConvEnd& end) noexcept {
  const uint64_t n = end.n_outputs;
  if (end.bias != nullptr) end.bias += n;
  if (end.residual != nullptr) end.residual += n;
  if (end.residual_codes != nullptr) end.residual_codes += n;
  if (end.out != nullptr) end.out += n;
  if (end.codes != nullptr) end.codes += n;
}

}  // namespace cordwood::runtime
