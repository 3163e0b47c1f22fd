// Arms in the folder of a file store that another process has: --store=file:DIR without --source.
// Read as a whole, on a thread of its own, when the folder has changed, and for at most a tenth of
// the time: a reading that took 50 ms is followed by 450 ms of rest.
//
// Cost of a reading: O(bytes of the folder) on that thread, and a look at its files where nothing
// has changed. Thread: the loop's.
#pragma once

#include <memory>
#include <string>

#include "bandit/arms_reader.h"
#include "journal/helper.h"

namespace rivulet {

class FileArms final : public ArmsReader {
 public:
  /// `url` is file:DIR. Both must outlive it, and the destructor waits for a reading that runs.
  FileArms(EventLoop& loop, const Clock& clock, std::string url, ArmsReaderConfig config);

  /// Readings for which the folder was opened.
  std::uint64_t openings() const { return openings_; }

 protected:
  void Ask(Number number, ArmsAmount amount) override;

 private:
  struct Reading;

  const Clock& clock_;
  std::string url_;
  std::string folder_;
  std::string read_;  // the folder's outline before it was read last; empty: it is to be read
  std::uint64_t openings_ = 0;
  Helper helper_;
};

}  // namespace rivulet
