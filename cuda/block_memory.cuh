// The shared memory that a launch asks for, under one name for all kernels.
#pragma once

#include <cuda_runtime.h>

extern __shared__ __align__(16) unsigned char block_memory[];
