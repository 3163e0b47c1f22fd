// print: writes every message to standard output, one a line.
//
// The message is the sender's JSON, byte for byte, but for newlines between its tokens, which
// become spaces. A line is flushed before the task answers done; when standard output does not take
// it the task has failed.
#pragma once

#include <cstdio>

#include "queuereader/task.h"

namespace rivulet {

class PrintTask final : public Task {
 public:
  explicit PrintTask(TaskArgs&) : out_(stdout) {}
  explicit PrintTask(std::FILE* out) : out_(out) {}
  Outcome Run(const Message& message, Context& context) override;

 private:
  std::FILE* out_;
  std::string line_;
};

}  // namespace rivulet
