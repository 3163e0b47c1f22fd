// What the records of a spool tell, counted: its messages, and how far readers and sources are.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bridge/spool_record.h"
#include "journal/record_summary.h"

namespace rivulet {

class SpoolRecordSummary final : public RecordSummary {
 public:
  Status Visit(std::string_view record) override;
  std::string Types() const override;
  std::string Table() override;

 private:
  using Marks = std::vector<std::pair<std::string, std::uint64_t>>;
  static constexpr std::size_t kTypes = 5;  // with 0, which is none

  SpoolRecord record_;
  std::array<std::uint64_t, kTypes> by_type_{};
  std::uint64_t messages_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t first_ = UINT64_MAX;
  std::uint64_t next_ = 0;
  Marks readers_;
  Marks sources_;
};

}  // namespace rivulet
