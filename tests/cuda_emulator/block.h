// Runs the blocks of a launch, thread by thread, from meeting to meeting.
#pragma once

#include <string>

#include "cuda_launch.h"

namespace cuda_emulator {

struct Failure {
  cudaError_t error = cudaSuccess;
  std::string why;
};

// How many launches have run.
unsigned long long launch_count();

Failure run_grid(const cudaLaunchConfig_t& config, const KernelCall& call);

}  // namespace cuda_emulator
