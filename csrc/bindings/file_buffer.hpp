// The bytes of a Python buffer, and what the bindings of the format share.
#pragma once

#include <pybind11/pybind11.h>

#include <cstddef>
#include <span>

#include "bindings/errors.hpp"
#include "bindings/unlocked.hpp"
#include "format/operators.h"
#include "format/view.hpp"

namespace cordwood::bindings {

/// The bytes of any contiguous buffer, held for as long as this lives.
class FileBuffer {
 public:
  explicit FileBuffer(const pybind11::buffer& buffer) {
    if (PyObject_GetBuffer(buffer.ptr(), &view_, PyBUF_SIMPLE) != 0)
      throw pybind11::error_already_set();
  }
  ~FileBuffer() { PyBuffer_Release(&view_); }
  FileBuffer(const FileBuffer&) = delete;
  FileBuffer& operator=(const FileBuffer&) = delete;

  [[nodiscard]] std::span<const std::byte> bytes() const noexcept {
    return {static_cast<const std::byte*>(view_.buf), static_cast<std::size_t>(view_.len)};
  }

 private:
  Py_buffer view_{};
};

/// Validates without the GIL; raises on failure.
inline format::FileView open_file(std::span<const std::byte> bytes, format::CheckLevel level) {
  const Result<format::FileView> file = [&] {
    const Unlocked unlocked;
    return format::validate(bytes, level);
  }();
  throw_unless_ok(file.status());
  return *file;
}

/// The attributes of a tree_ensemble by name.
pybind11::dict tree_attributes(const cordwood_tree_attributes& trees);

/// Everything that a file holds, as dicts and lists.
pybind11::dict inspect(const pybind11::buffer& buffer);

}  // namespace cordwood::bindings
