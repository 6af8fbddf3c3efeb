# cordwood_kernel_row(<isa> <ANY|X86_64|AARCH64> <flag>...)
#
# Builds csrc/kernels/<op>/<isa>.cpp and <isa>_<part>.cpp of every operation with this row's flags
# and defines CORDWOOD_WITH_<ISA> for the dispatch table. A row is left out where the target
# processor is another family, the compiler lacks a flag, or no operation has a file for it.
include(CheckCXXCompilerFlag)

set(CORDWOOD_KERNEL_OBJECTS "")
set(CORDWOOD_KERNEL_DEFINITIONS "")
set(CORDWOOD_ROW_NAMES scalar avx2 avxvnni avx512 avx512icl avx512bf16 neon neon_dotprod neon_i8mm)

set(CORDWOOD_FAMILY OTHER)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$" AND CMAKE_SIZEOF_VOID_P EQUAL 8)
  set(CORDWOOD_FAMILY X86_64)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
  set(CORDWOOD_FAMILY AARCH64)
endif()

function(cordwood_kernel_row isa family)
  if(NOT family STREQUAL "ANY" AND NOT family STREQUAL CORDWOOD_FAMILY)
    return()
  endif()
  string(JOIN " " flags ${ARGN})
  string(TOUPPER ${isa} ISA)
  check_cxx_compiler_flag("${flags}" CORDWOOD_FLAGS_${ISA})
  if(NOT CORDWOOD_FLAGS_${ISA})
    return()
  endif()

  file(GLOB sources CONFIGURE_DEPENDS
       ${PROJECT_SOURCE_DIR}/csrc/kernels/*/${isa}.cpp
       ${PROJECT_SOURCE_DIR}/csrc/kernels/*/${isa}_*.cpp)
  foreach(other IN LISTS CORDWOOD_ROW_NAMES) # neon_i8mm.cpp is no part of the row neon
    if(other MATCHES "^${isa}_")
      list(FILTER sources EXCLUDE REGEX "/${other}(_[^/]*)?\\.cpp$")
    endif()
  endforeach()
  if(NOT sources)
    return()
  endif()

  # -O2 for every row: the scalar row is the reference, and a vector row says what it wants.
  # Without exceptions no object refers to the C++ library's handler, a weak symbol.
  add_library(cordwood_kernels_${isa} OBJECT ${sources})
  target_link_libraries(cordwood_kernels_${isa} PRIVATE cordwood_options)
  target_compile_options(cordwood_kernels_${isa} PRIVATE
    $<$<CONFIG:Release>:-O2> -fno-exceptions ${ARGN})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    # GCC 12 blames its own headers: _mm512_undefined_epi32 initialises a variable by itself.
    target_compile_options(cordwood_kernels_${isa} PRIVATE -Wno-uninitialized -Wno-maybe-uninitialized)
  endif()
  set(CORDWOOD_KERNEL_OBJECTS ${CORDWOOD_KERNEL_OBJECTS}
      $<TARGET_OBJECTS:cordwood_kernels_${isa}> PARENT_SCOPE)
  set(CORDWOOD_KERNEL_DEFINITIONS ${CORDWOOD_KERNEL_DEFINITIONS}
      CORDWOOD_WITH_${ISA} PARENT_SCOPE)
endfunction()
