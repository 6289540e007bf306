# cmake -D SOURCE=CHECKOUT -D OUTPUT=FILE -P commit.cmake: writes the source that tells a program its commit: that of the
# variable SOURCE_COMMIT where it is set (an image is built without git), else what git says, else none. A file that would be
# the same is left alone, so that nothing is linked again.
set(commit "$ENV{SOURCE_COMMIT}")
if(commit STREQUAL "" AND EXISTS ${SOURCE}/.git)
  execute_process(COMMAND git describe --always --dirty --exclude=* --abbrev=12 WORKING_DIRECTORY ${SOURCE}
                  OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()
if(NOT commit MATCHES "^([0-9a-f]+(-dirty)?)?$")
  message(FATAL_ERROR "SOURCE_COMMIT must be a commit's hexadecimal name, not '${commit}'.")
endif()
string(REGEX REPLACE "^(............)[0-9a-f]+" "\\1" commit "${commit}")
file(CONFIGURE OUTPUT ${OUTPUT} CONTENT "#include \"common/version.h\"

namespace {

[[maybe_unused]] const bool kTold = dormouse::TellCommit(\"${commit}\");

}  // namespace
")
