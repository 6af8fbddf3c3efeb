// Drives the fuzz target where there is no libFuzzer: replays every seed, then mutates them for a
// while. `fuzz_load -max_total_time=60 -seed=1 -artifact_prefix=folder/ seeds...` reads as libFuzzer's.
// Under a sanitizer the input that kills the process is left as <prefix>crash.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned int seed);
extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace {

using Bytes = std::vector<uint8_t>;

struct Driver {
  std::mt19937_64 random{1};
  Bytes current;  ///< the input that runs now
  std::string artifact_prefix;
};

/// The one driver: libFuzzer's C functions have no place to hand it through.
Driver& driver() {
  static Driver the_driver;
  return the_driver;
}

size_t below(size_t bound) {
  return static_cast<size_t>(driver().random() % bound);
}

/// Numbers that sizes, offsets and counts are likely to stumble over.
uint64_t troublesome_number() {
  constexpr uint64_t kEdges[] = {0,
                                 1,
                                 2,
                                 7,
                                 8,
                                 63,
                                 64,
                                 127,
                                 128,
                                 255,
                                 256,
                                 0x7FFF,
                                 0xFFFF,
                                 0x7FFFFFFF,
                                 0x80000000,
                                 0xFFFFFFFF,
                                 uint64_t{1} << 32,
                                 0x7FFFFFFFFFFFFFFF,
                                 0xFFFFFFFFFFFFFFFF};
  const uint64_t edge = kEdges[below(std::size(kEdges))];
  return edge + below(3) - 1;
}

#if defined(__SANITIZE_ADDRESS__)
void keep_current_input() {
  const std::string path = driver().artifact_prefix + "crash";
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(driver().current.data()),
             static_cast<std::streamsize>(driver().current.size()));
  std::fprintf(stderr, "the input is kept as %s\n", path.c_str());
}
#endif

void run_one(Bytes input) {
  driver().current = std::move(input);
  // A copy of exactly this size, so that the sanitizer sees one byte too far.
  const Bytes exact(driver().current);
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

Bytes read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return Bytes(std::istreambuf_iterator<char>(file), {});
}

void add_seeds(const std::filesystem::path& path, std::vector<Bytes>& seeds) {
  if (!std::filesystem::is_directory(path)) {
    seeds.push_back(read_file(path));
    return;
  }
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(path)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());  // the same order on every file system
  for (const auto& file : files) seeds.push_back(read_file(file));
}

}  // namespace

size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size) {
  if (size == 0) return 0;
  const size_t at = below(size);
  const size_t run = std::min(size - at, size_t{1} << below(6));
  switch (below(6)) {
    case 0:
      data[at] ^= static_cast<uint8_t>(1u << below(8));
      return size;
    case 1:
      data[at] = static_cast<uint8_t>(driver().random());
      return size;
    case 2: {
      const uint64_t number = troublesome_number();
      const size_t width = std::min(size - at, size_t{1} << below(4));
      std::memcpy(data + at, &number, width);
      return size;
    }
    case 3:  // one run over another
      std::memmove(data + below(size - run + 1), data + at, run);
      return size;
    case 4:  // a run taken out
      std::memmove(data + at, data + at + run, size - at - run);
      return size - run;
    default:  // a run doubled
      if (size + run > max_size) return size;
      std::memmove(data + at + run, data + at, size - at);
      return size + run;
  }
}

int main(int argc, char** argv) {
  double seconds = 10.0;
  std::vector<Bytes> seeds;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    const std::string value(argument.substr(argument.find('=') + 1));
    if (argument.starts_with("-max_total_time=")) {
      seconds = std::strtod(value.c_str(), nullptr);
    } else if (argument.starts_with("-seed=")) {
      driver().random.seed(std::strtoull(value.c_str(), nullptr, 10));
    } else if (argument.starts_with("-artifact_prefix=")) {
      driver().artifact_prefix = value;
    } else if (argument.starts_with("-")) {
      std::fprintf(stderr, "%s is a libFuzzer option that this driver does not have\n", argv[i]);
    } else {
      add_seeds(argv[i], seeds);
    }
  }
  if (seeds.empty()) {
    std::fprintf(stderr, "no seed: name files or folders of .cord files\n");
    return 2;
  }
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_set_death_callback(keep_current_input);
#endif

  for (const Bytes& seed : seeds) run_one(seed);
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  uint64_t executions = seeds.size();
  for (; Clock::now() < end; ++executions) {
    Bytes input = seeds[below(seeds.size())];
    const size_t max_size = input.size() + 4096;
    size_t size = input.size();
    input.resize(max_size);
    for (size_t left = 1 + below(4); left > 0; --left) {
      size = LLVMFuzzerCustomMutator(input.data(), size, max_size,
                                     static_cast<unsigned int>(driver().random()));
    }
    input.resize(size);
    run_one(std::move(input));
  }
  std::printf("%llu executions from %zu seeds, no fault found\n",
              static_cast<unsigned long long>(executions), seeds.size());
  return 0;
}
