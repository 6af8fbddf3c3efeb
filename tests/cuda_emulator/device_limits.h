// What an H200 allows.
#pragma once

namespace cuda_emulator {

inline constexpr int kWarpThreads = 32;
inline constexpr int kMaxBlockThreads = 1024;
inline constexpr int kMaxBlockX = 1024;
inline constexpr int kMaxBlockY = 1024;
inline constexpr int kMaxBlockZ = 64;
inline constexpr int kMaxGridYZ = 65535;
inline constexpr int kMultiprocessors = 132;
inline constexpr int kMultiprocessorThreads = 2048;
inline constexpr int kMultiprocessorBlocks = 32;
inline constexpr int kRegisters = 65536;
// Of shared memory: what any launch may ask for, what a kernel may be allowed, what a
// multiprocessor has, and what each block takes besides.
inline constexpr int kSharedBytes = 49152;
inline constexpr int kSharedOptinBytes = 232448;
inline constexpr int kMultiprocessorSharedBytes = 233472;
inline constexpr int kReservedSharedBytes = 1024;

int device_of_thread();

}  // namespace cuda_emulator
