# The switch of the extension cordwood._cuda, and cordwood_cuda_module(), which builds it.
#
#   CORDWOOD_CUDA                AUTO: where there is a compiler; ON: an error without; OFF: never
#   CORDWOOD_CUDA_ARCHITECTURES  what is built, in CMake's words; commas may stand for semicolons
#
# The compiler is that of CMAKE_CUDA_COMPILER or of the environment's CUDACXX, else an nvcc on PATH,
# under CUDA_PATH or /usr/local/cuda, or of the pip package nvidia-cuda-nvcc, in this order.
include(CheckLanguage)

set(CORDWOOD_CUDA AUTO CACHE STRING "Build the extension module cordwood._cuda: AUTO, ON or OFF")
set_property(CACHE CORDWOOD_CUDA PROPERTY STRINGS AUTO ON OFF)
# 90a, never plain 90: Hopper's own instructions are in the former alone. 80-virtual is for devices
# that come later: their drivers compile it.
set(CORDWOOD_CUDA_ARCHITECTURES "80-real;90a-real;100-real;80-virtual" CACHE STRING
    "Devices that cordwood._cuda is built for")
set(CORDWOOD_CUDA_OLDEST 13.0) # older ones lack errors that cuda/status.cpp names
set(CORDWOOD_CUDA_HOW "Install the CUDA toolkit ${CORDWOOD_CUDA_OLDEST} or later and put its nvcc on \
PATH, or its pip packages with `make cuda`, or name the compiler in the environment's CUDACXX.")

# Finds the compiler and turns the language on. Sets CORDWOOD_CUDA_MISSING to why it cannot, else to
# nothing. A macro: languages are turned on in the scope of a file.
macro(cordwood_enable_cuda)
  set(CORDWOOD_CUDA_MISSING "")
  # What was not found before may be there now, and the other way round.
  if(NOT CMAKE_CUDA_COMPILER OR
     (IS_ABSOLUTE "${CMAKE_CUDA_COMPILER}" AND NOT EXISTS "${CMAKE_CUDA_COMPILER}"))
    unset(CMAKE_CUDA_COMPILER CACHE)
    unset(CORDWOOD_NVCC CACHE)
  endif()
  if(NOT DEFINED CMAKE_CUDA_COMPILER)
    if(NOT "$ENV{CUDACXX}" STREQUAL "")
      set(CORDWOOD_NVCC "$ENV{CUDACXX}")
    else()
      find_program(CORDWOOD_NVCC nvcc PATHS "$ENV{CUDA_PATH}/bin" /usr/local/cuda/bin
                   "${Python_SITEARCH}/nvidia/cu13/bin")
    endif()
    if(CORDWOOD_NVCC)
      set(CMAKE_CUDA_COMPILER "${CORDWOOD_NVCC}")
    endif()
  endif()

  if(NOT DEFINED CMAKE_CUDA_COMPILER)
    set(CORDWOOD_CUDA_MISSING "no nvcc was found")
  elseif(CMAKE_VERSION VERSION_LESS 3.25)
    set(CORDWOOD_CUDA_MISSING "CMake 3.25 or later is needed for CUDA's C++20")
  else()
    # Its pip packages have their libraries in lib, where nvcc does not look.
    get_filename_component(cordwood_nvcc "${CMAKE_CUDA_COMPILER}" REALPATH)
    get_filename_component(cordwood_toolkit "${cordwood_nvcc}/../.." ABSOLUTE)
    if(EXISTS "${cordwood_toolkit}/lib/libcudart_static.a" AND
       NOT EXISTS "${cordwood_toolkit}/lib64")
      set(ENV{CUDAFLAGS} "$ENV{CUDAFLAGS} -L${cordwood_toolkit}/lib")
    endif()
    # One host compiler for both languages; nvcc would take the g++ of PATH.
    set(CMAKE_CUDA_HOST_COMPILER "${CMAKE_CXX_COMPILER}" CACHE FILEPATH "Host compiler of nvcc")
    string(REPLACE "," ";" CMAKE_CUDA_ARCHITECTURES "${CORDWOOD_CUDA_ARCHITECTURES}")
    set(cordwood_chosen "${CMAKE_CUDA_COMPILER}")
    if(NOT CORDWOOD_CUDA_WORKS STREQUAL cordwood_chosen)
      unset(CMAKE_CUDA_COMPILER) # else the check believes in it
      set(ENV{CUDACXX} "${cordwood_chosen}")
      set(ENV{CUDAHOSTCXX} "${CMAKE_CUDA_HOST_COMPILER}")
      check_language(CUDA)
    endif()
    if(NOT CMAKE_CUDA_COMPILER)
      set(CORDWOOD_CUDA_MISSING "${cordwood_chosen} does not work with ${CMAKE_CXX_COMPILER}")
    else()
      set(CORDWOOD_CUDA_WORKS "${cordwood_chosen}" CACHE INTERNAL "nvcc that passed CMake's check")
      enable_language(CUDA)
      if(CMAKE_CUDA_COMPILER_VERSION VERSION_LESS CORDWOOD_CUDA_OLDEST)
        set(CORDWOOD_CUDA_MISSING "${cordwood_chosen} is ${CMAKE_CUDA_COMPILER_VERSION}, older than \
${CORDWOOD_CUDA_OLDEST}")
      endif()
    endif()
  endif()
endmacro()

# Builds the target _cuda from cuda/*.cpp, cuda/*.cu and those one folder below.
function(cordwood_cuda_module)
  file(GLOB sources CONFIGURE_DEPENDS
       cuda/*.cpp cuda/*.cu cuda/*/*.cpp cuda/*/*.cu)
  pybind11_add_module(_cuda MODULE NO_EXTRAS ${sources})
  target_include_directories(_cuda PRIVATE ${PROJECT_SOURCE_DIR})
  target_include_directories(_cuda SYSTEM PRIVATE ${CMAKE_CUDA_TOOLKIT_INCLUDE_DIRECTORIES})
  target_link_libraries(_cuda PRIVATE cordwood_native)
  target_compile_definitions(_cuda PRIVATE
    CORDWOOD_VERSION="${PROJECT_VERSION}" CORDWOOD_CUDA_MODULE=_cuda CORDWOOD_CUDA_DEVICE="cuda")
  set_target_properties(_cuda PROPERTIES
    CUDA_STANDARD 20 CUDA_STANDARD_REQUIRED ON CUDA_EXTENSIONS OFF
    CUDA_RUNTIME_LIBRARY Static CUDA_RESOLVE_DEVICE_SYMBOLS ON)
  # Contracting a*b+c into one rounding changes results, on the device as on the host. What
  # ptxas reports of each kernel is kept beside its object.
  target_compile_options(_cuda PRIVATE
    $<$<COMPILE_LANGUAGE:CXX>:-ffunction-sections -fdata-sections>
    "$<$<COMPILE_LANGUAGE:CUDA>:-fmad=false;--threads=0;-Xptxas=-v>"
    "$<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-ffp-contract=off,-Wall,-Wextra,-Wconversion,-Wshadow>"
    "$<$<AND:$<COMPILE_LANGUAGE:CUDA>,$<BOOL:${CORDWOOD_WERROR}>>:-Werror=all-warnings;-Xcompiler=-Werror>")
  set_target_properties(_cuda PROPERTIES
    CUDA_COMPILER_LAUNCHER "${PROJECT_SOURCE_DIR}/cmake/keep_ptxas_report.sh")
  # Nothing of the CUDA runtime leaves the module: another copy may be in the process.
  target_link_options(_cuda PRIVATE LINKER:--gc-sections LINKER:--exclude-libs,ALL)
  install(TARGETS _cuda LIBRARY DESTINATION cordwood)
endfunction()
