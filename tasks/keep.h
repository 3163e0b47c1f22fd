// keep:field=PATH[,above=A][,below=B]: drops the messages whose number is not between A and B.
//
// A message passes when its number is greater than `above` and less than `below`; one of them may
// be absent. A message where the field is absent or no number is dropped. For --preprocess and
// --validate, or before other tasks. It has no state.
#pragma once

#include "queuereader/task.h"

namespace rivulet {

class KeepTask final : public Task {
 public:
  explicit KeepTask(TaskArgs& args);
  Outcome Run(const Message& message, Context&) override {
    const auto x = message.Number(field_);
    return x && *x > above_ && *x < below_ ? Outcome::Done() : Outcome::Drop();
  }

 private:
  std::string field_;
  double above_;
  double below_;
};

}  // namespace rivulet
