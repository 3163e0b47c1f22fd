// What a task throws that cannot do its work at all, whatever the message: the reader stops.
#pragma once

#include <stdexcept>

namespace rivulet {

/// Its program cannot be run, say. The messages of the run are charged no try.
class TaskUnusable : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace rivulet
