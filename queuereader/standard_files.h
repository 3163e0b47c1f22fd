// Keeps standard input, output and error open though a task closes them: the next connection would
// take the number, and what is printed would be written into it.
//
// Thread: any, one at a time.
#pragma once

#include <array>
#include <string>

namespace rivulet {

class StandardFiles {
 public:
  /// Keeps copies, out of the way; of one that is closed /dev/null takes the place.
  StandardFiles();
  ~StandardFiles();
  StandardFiles(const StandardFiles&) = delete;
  StandardFiles& operator=(const StandardFiles&) = delete;

  /// Puts back those that are closed, or a socket that was none before, and logs that, with
  /// `culprit` ("task x"). Three system calls where all is well.
  void PutBack(const std::string& culprit) const;

 private:
  std::array<int, 3> kept_{};
  std::array<bool, 3> sockets_{};
};

}  // namespace rivulet
