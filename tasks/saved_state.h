// How the tasks here write their state for a checkpoint: a line with the task, the format's number
// and the arguments that the state depends on, then bytes of the task's own.
//
//   count 1\n             moments 1 field=t,minus=hc\n
#pragma once

#include <string>
#include <string_view>

#include "algorithms/bytes.h"
#include "base/status.h"

namespace rivulet {

/// "TASK FORMAT" and the arguments.
inline std::string BeginState(std::string_view format, std::string_view arguments = {}) {
  std::string bytes(format);
  if (!arguments.empty()) bytes.append(" ").append(arguments);
  return bytes += '\n';
}

/// What follows the line, where it is the one that BeginState() writes for these; else an error
/// that says which state this is.
inline Result<std::string_view> OpenState(std::string_view saved, std::string_view format,
                                          std::string_view arguments = {}) {
  const std::string_view line = saved.substr(0, saved.find('\n'));
  std::string wanted = BeginState(format, arguments);
  if (saved.starts_with(wanted)) return saved.substr(wanted.size());
  wanted.pop_back();
  return InvalidArgument("its saved state is of '" + std::string(line.substr(0, 200)) +
                         "', and not of '" + wanted +
                         "'; run it with the same arguments, under another name=, or with another "
                         "checkpoint");
}

inline Status DamagedState(std::string_view format) {
  return {StatusCode::kCorrupt, "its saved state, of '" + std::string(format) + "', is damaged"};
}

}  // namespace rivulet
