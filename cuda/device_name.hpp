// What this build of the extension is called. Tests build a second one, against an emulator of the
// CUDA runtime, that registers itself beside the first.
#pragma once

#ifndef CORDWOOD_CUDA_MODULE
#define CORDWOOD_CUDA_MODULE _cuda
#endif

#ifndef CORDWOOD_CUDA_DEVICE
#define CORDWOOD_CUDA_DEVICE "cuda"
#endif
