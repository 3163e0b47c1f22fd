// What /bin/sh is given to run.
#pragma once

#include <string>
#include <string_view>

namespace rivulet {

/// The command with `exec` before its program, so that the shell becomes it and nothing stands
/// between us and the program, where that is known to change nothing else: the command is one
/// program with its arguments (variables may be set before it), and no builtin of the shell. Others
/// as they are. Pure.
std::string ExecInPlaceOfShell(std::string_view command);

}  // namespace rivulet
