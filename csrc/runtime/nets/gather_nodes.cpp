// gather and embedding: elements and rows by index.
#include <algorithm>
#include <cstring>

#include "runtime/nets/element_types.hpp"
#include "runtime/nets/strides.hpp"
#include "runtime/nets/tensor_numbers.hpp"

namespace cordwood::runtime {
namespace {

bool is_index(uint8_t dtype) noexcept {
  return dtype == CORDWOOD_DTYPE_INT32 || dtype == CORDWOOD_DTYPE_INT64;
}

int64_t index_at(const Array& indices, uint64_t place) noexcept {
  return indices.form.dtype == CORDWOOD_DTYPE_INT64 ? indices.as<const int64_t>()[place]
                                                    : int64_t{indices.as<const int32_t>()[place]};
}

Status outside(const char* place, uint64_t at, int64_t index, uint64_t size) noexcept {
  const bool negative = index < 0;
  const uint64_t distance =
      negative ? uint64_t{0} - static_cast<uint64_t>(index) : static_cast<uint64_t>(index);
  return fail(CORDWOOD_STATUS_index_out_of_range, place,
              negative ? "index {} is -{}, expected one of the axis' {} entries"
                       : "index {} is {}, expected one of the axis' {} entries",
              at, distance, size);
}

class GatherNode final : public Node {
 public:
  explicit GatherNode(const cordwood_gather_attributes& attributes) noexcept
      : attributes_(attributes) {}

  Status infer(std::span<const ArrayForm> inputs,
               std::span<ArrayForm> outputs) const noexcept override {
    const Shape& x = inputs[0].shape;
    const Shape& indices = inputs[1].shape;
    const uint32_t axis = attributes_.axis;
    if (!is_index(inputs[1].dtype) || outputs[0].dtype != inputs[0].dtype) {
      return misfit("gather", "indices of type {}, expected int32 or int64", inputs[1].dtype);
    }
    Shape& shape = outputs[0].shape;
    if (attributes_.form == CORDWOOD_GATHER_ALONG) {
      shape = indices;
      bool fits = indices.rank == x.rank;
      for (uint32_t i = 0; fits && i < x.rank; ++i) {
        fits = i == axis || indices.size[i] <= x.size[i];
      }
      if (fits) return {};
      return misfit("gather", "indices of {} axes along a value of {}, or larger than it",
                    indices.rank, x.rank);
    }
    shape = {};
    shape.rank = x.rank - 1 + indices.rank;
    if (shape.rank > CORDWOOD_MAX_RANK) {
      return misfit("gather", "an output of {} axes, expected at most 6", shape.rank);
    }
    std::copy_n(x.size.begin(), axis, shape.size.begin());
    std::copy_n(indices.size.begin(), indices.rank, shape.size.begin() + axis);
    std::copy_n(x.size.begin() + axis + 1, x.rank - axis - 1,
                shape.size.begin() + axis + indices.rank);
    return {};
  }

  Status run(const NodeCall& call) const noexcept override {
    return attributes_.form == CORDWOOD_GATHER_ALONG ? along(call) : take(call);
  }

 private:
  Status take(const NodeCall& call) const noexcept {
    const Array& x = call.inputs[0];
    const Array& indices = call.inputs[1];
    const uint64_t size = x.shape().size[attributes_.axis];
    const uint64_t outer = x.shape().elements(0, attributes_.axis);
    const uint64_t bytes =
        x.shape().elements(attributes_.axis + 1, x.shape().rank) * element_bytes(x.form.dtype);
    const uint64_t count = indices.shape().elements();
    std::byte* to = call.outputs[0].data;
    for (uint64_t block = 0; block < outer; ++block) {
      for (uint64_t i = 0; i < count; ++i, to += bytes) {
        int64_t index = index_at(indices, i);
        if (index < 0) index += static_cast<int64_t>(size);
        if (index < 0 || static_cast<uint64_t>(index) >= size) {
          return outside("gather", i, index_at(indices, i), size);
        }
        if (bytes != 0) {
          std::memcpy(to, x.data + (block * size + static_cast<uint64_t>(index)) * bytes, bytes);
        }
      }
    }
    return {};
  }

  Status along(const NodeCall& call) const noexcept {
    const Array& x = call.inputs[0];
    const Array& indices = call.inputs[1];
    const Array& out = call.outputs[0];
    const uint64_t size = x.shape().size[attributes_.axis];
    Strides strides = c_strides(x.shape());
    const int64_t stride = strides[attributes_.axis];
    strides[attributes_.axis] = 0;
    const Walk<2> walk(out.shape(), {strides, c_strides(out.shape())});
    Status status;
    with_width(out.form.dtype, [&]<class T>(T) {
      walk.each([&](const auto& offset, uint64_t count, const auto& step) {
        for (uint64_t i = 0; i < count && status.ok(); ++i) {
          const auto at = static_cast<uint64_t>(offset[1]) + i;
          int64_t index = index_at(indices, at);
          if (index < 0) index += static_cast<int64_t>(size);
          if (index < 0 || static_cast<uint64_t>(index) >= size) {
            status = outside("gather", at, index_at(indices, at), size);
            return;
          }
          out.as<T>()[at] =
              x.as<const T>()[offset[0] + static_cast<int64_t>(i) * step[0] + index * stride];
        }
      });
    });
    return status;
  }

  cordwood_gather_attributes attributes_;
};

class EmbeddingNode final : public Node {
 public:
  EmbeddingNode(AlignedVector<float> table, uint64_t columns, uint32_t combine) noexcept
      : table_(std::move(table)), columns_(columns), combine_(combine) {}

  Status infer(std::span<const ArrayForm> inputs,
               std::span<ArrayForm> outputs) const noexcept override {
    const Shape& indices = inputs[0].shape;
    const bool combines = combine_ != CORDWOOD_COMBINE_NONE;
    const bool fits = combines ? indices.rank >= 1 : indices.rank < CORDWOOD_MAX_RANK;
    if (!is_index(inputs[0].dtype) || !fits || outputs[0].dtype != CORDWOOD_DTYPE_FLOAT32) {
      return misfit("embedding", "indices of type {} and {} axes, expected int32 or int64",
                    inputs[0].dtype, indices.rank);
    }
    outputs[0].shape = indices;
    uint32_t& rank = outputs[0].shape.rank;
    if (!combines) ++rank;
    outputs[0].shape.size[rank - 1] = columns_;
    return {};
  }

  Status run(const NodeCall& call) const noexcept override {
    const Array& indices = call.inputs[0];
    const bool combines = combine_ != CORDWOOD_COMBINE_NONE;
    const uint64_t bag = combines ? indices.shape().last() : 1;
    const uint64_t bags = combines ? indices.shape().elements(0, indices.shape().rank - 1)
                                   : indices.shape().elements();
    float* to = call.outputs[0].as<float>();
    for (uint64_t place = 0; place < bags; ++place, to += columns_) {
      if (bag == 0) std::fill_n(to, columns_, 0.0f);
      for (uint64_t i = 0; i < bag; ++i) {
        const uint64_t entries = table_.size() / columns_;
        const int64_t index = index_at(indices, place * bag + i);
        if (index < 0 || static_cast<uint64_t>(index) >= entries) {
          return outside("embedding", place * bag + i, index, entries);
        }
        add(table_.data() + static_cast<uint64_t>(index) * columns_, i == 0, to);
      }
      if (combine_ == CORDWOOD_COMBINE_MEAN && bag != 0) {
        for (uint64_t c = 0; c < columns_; ++c) to[c] /= static_cast<float>(bag);
      }
    }
    return {};
  }

  [[nodiscard]] uint64_t resident_bytes() const noexcept override {
    return table_.size() * sizeof(float);
  }

 private:
  void add(const float* row, bool first, float* to) const noexcept {
    if (first) {
      std::memcpy(to, row, columns_ * sizeof(float));
    } else if (combine_ == CORDWOOD_COMBINE_MAX) {
      for (uint64_t c = 0; c < columns_; ++c) to[c] = row[c] > to[c] ? row[c] : to[c];
    } else {
      for (uint64_t c = 0; c < columns_; ++c) to[c] += row[c];
    }
  }

  AlignedVector<float> table_;
  uint64_t columns_;
  uint32_t combine_;
};

}  // namespace

Result<NodePointer> make_gather(const Source& source) {
  return NodePointer(std::make_unique<GatherNode>(source.attributes<cordwood_gather_attributes>()));
}

Result<NodePointer> make_embedding(const Source& source) {
  Result<AlignedVector<float>> table = float_elements(source, 0);
  if (!table) return table.status();
  return NodePointer(
      std::make_unique<EmbeddingNode>(std::move(*table), source.tensor(0).dimension[1],
                                      source.attributes<cordwood_embedding_attributes>().combine));
}

}  // namespace cordwood::runtime
