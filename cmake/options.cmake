# Flags that every target shares, as one interface target.
add_library(cordwood_options INTERFACE)
target_include_directories(cordwood_options INTERFACE ${PROJECT_SOURCE_DIR}/csrc)

# Contracting a*b+c into one rounding changes results; GCC does it unless told not to.
target_compile_options(cordwood_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:
  -ffp-contract=off -Wall -Wextra -Wpedantic -Wconversion -Wshadow
  $<$<BOOL:${CORDWOOD_WERROR}>:-Werror>>)

if(CORDWOOD_SANITIZE)
  target_compile_options(cordwood_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:
    -fsanitize=${CORDWOOD_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer -g>)
  target_link_options(cordwood_options INTERFACE -fsanitize=${CORDWOOD_SANITIZE})
endif()
