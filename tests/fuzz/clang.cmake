# Toolchain of the preset `fuzz`: libFuzzer comes with Clang, which below 16 cannot compile the ranges of
# libstdc++ 12 (llvm-project issue 44178). `cmake -P` of this file tells whether there is a fitting one.
set(needed "Clang 16 or newer with libFuzzer (packages clang-16 and libclang-rt-16-dev, or newer ones)")
find_program(PARSEC_CLANG NAMES clang++-20 clang++-19 clang++-18 clang++-17 clang++-16 clang++)
if(NOT PARSEC_CLANG)
  message(FATAL_ERROR "needs ${needed}")
endif()
set(CMAKE_CXX_COMPILER ${PARSEC_CLANG})

if(CMAKE_SCRIPT_MODE_FILE)
  execute_process(COMMAND ${PARSEC_CLANG} -dumpversion OUTPUT_VARIABLE version)
  execute_process(
    COMMAND echo "extern \"C\" int LLVMFuzzerTestOneInput(const char*, unsigned long) { return 0; }"
    COMMAND ${PARSEC_CLANG} -fsanitize=fuzzer,address,undefined -x c++ -o /dev/null -
    RESULTS_VARIABLE results OUTPUT_QUIET ERROR_QUIET)
  if(version VERSION_LESS 16 OR NOT results STREQUAL "0;0")
    message(FATAL_ERROR "needs ${needed}")
  endif()
endif()
