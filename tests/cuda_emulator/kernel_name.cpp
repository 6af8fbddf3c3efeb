// Kernels are often static or hidden, so that dladdr does not know them: the table of all symbols of
// the file is read instead, where it has not been stripped.
#include "kernel_name.h"

#include <cxxabi.h>
#include <dlfcn.h>
#include <elf.h>
#include <link.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <vector>

namespace cuda_emulator {
namespace {

template <class T>
std::vector<T> read(std::ifstream& file, std::uint64_t offset, std::uint64_t bytes) {
  std::vector<T> items(bytes / sizeof(T));
  file.seekg(static_cast<std::streamoff>(offset));
  file.read(reinterpret_cast<char*>(items.data()), static_cast<std::streamsize>(bytes));
  return file ? items : std::vector<T>();
}

std::string symbol_at(const char* path, std::uint64_t offset) {
  std::ifstream file(path, std::ios::binary);
  const auto header = read<ElfW(Ehdr)>(file, 0, sizeof(ElfW(Ehdr)));
  if (header.empty()) return {};
  const auto sections =
      read<ElfW(Shdr)>(file, header[0].e_shoff, sizeof(ElfW(Shdr)) * header[0].e_shnum);
  for (const auto& section : sections) {
    if (section.sh_type != SHT_SYMTAB || section.sh_link >= sections.size()) continue;
    const auto& strings = sections[section.sh_link];
    auto names = read<char>(file, strings.sh_offset, strings.sh_size);
    names.push_back('\0');
    for (const auto& symbol : read<ElfW(Sym)>(file, section.sh_offset, section.sh_size)) {
      const bool inside = offset - symbol.st_value < symbol.st_size;
      if (inside && (symbol.st_info & 0xf) == STT_FUNC && symbol.st_name < names.size()) {
        return &names[symbol.st_name];
      }
    }
  }
  return {};
}

}  // namespace

std::string kernel_name(const void* kernel) {
  Dl_info info{};
  link_map* map = nullptr;
  if (dladdr1(kernel, &info, reinterpret_cast<void**>(&map), RTLD_DL_LINKMAP) == 0)
    return "unknown";
  const std::uint64_t offset = reinterpret_cast<std::uintptr_t>(kernel) - map->l_addr;
  // The program itself has an empty name.
  const char* path = *map->l_name == '\0' ? "/proc/self/exe" : map->l_name;
  const std::string symbol = symbol_at(path, offset);
  if (symbol.empty()) {
    char words[64];
    std::snprintf(words, sizeof words, "+0x%llx", static_cast<unsigned long long>(offset));
    return path + std::string(words);
  }
  int status = 0;
  char* plain = abi::__cxa_demangle(symbol.c_str(), nullptr, nullptr, &status);
  const std::string name = status == 0 ? plain : symbol;
  std::free(plain);
  return name;
}

}  // namespace cuda_emulator
