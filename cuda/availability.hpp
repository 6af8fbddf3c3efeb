// Whether the device can be used here and now, in words where it cannot.
#pragma once

namespace cordwood::cuda {

/// The device that models are loaded on: the first that CUDA_VISIBLE_DEVICES shows.
inline constexpr int kDevice = 0;

/// Oldest generation of devices that the kernels are built for, as its compute capability.
inline constexpr int kOldestMajor = 8;

/// Null where the device can be used, else a sentence that says why not and what to do; it stays until
/// the process ends. The first call starts the driver, and what it finds holds for the process, save
/// that a lost context and a fork are noticed at once: later calls cost some nanoseconds.
[[nodiscard]] const char* availability() noexcept;

}  // namespace cordwood::cuda
