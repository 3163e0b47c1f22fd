#include "tasks/print.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace rivulet {

Outcome PrintTask::Run(const Message& message, Context&) {
  line_ = message.text();
  // Within a JSON string a newline is written \n, so these stand between tokens.
  std::replace_if(
      line_.begin(), line_.end(), [](char c) { return c == '\n' || c == '\r'; }, ' ');
  line_ += '\n';
  bool written =
      std::fwrite(line_.data(), 1, line_.size(), out_) == line_.size() && std::fflush(out_) == 0;
  if (written) return Outcome::Done();
  std::string why = std::string("cannot write to standard output: ") + std::strerror(errno);
  std::clearerr(out_);
  return Outcome::Failed(why);
}

}  // namespace rivulet
