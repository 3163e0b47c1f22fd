// The records of simplequeue's journals made into queues, in memory, to be counted.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "journal/record_summary.h"
#include "simplequeue/queue_set.h"
#include "simplequeue/record.h"
#include "simplequeue/restorer.h"

namespace rivulet {

class QueueRecordSummary final : public RecordSummary {
 public:
  /// `clock` must outlive it.
  explicit QueueRecordSummary(const Clock& clock);

  Status Visit(std::string_view record) override;
  std::string Types() const override;
  std::string Table() override;

 private:
  const Clock& clock_;
  QueueSet queues_;
  QueueRestorer restorer_;
  std::array<std::uint64_t, kRecordTypes> by_type_{};
};

}  // namespace rivulet
