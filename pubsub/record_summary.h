// What the records of pubsub's journals tell of each topic, counted.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "journal/record_summary.h"
#include "pubsub/record.h"

namespace rivulet {

class TopicRecordSummary final : public RecordSummary {
 public:
  Status Visit(std::string_view record) override;
  std::string Types() const override;
  std::string Table() override;

 private:
  static constexpr std::size_t kTypes = 5;  // with 0, which is none
  struct Counted {
    std::string name;
    std::uint64_t next_offset = 0;
    std::uint64_t bytes = 0;
    std::uint64_t keys = 0;
    std::map<std::uint64_t, std::uint64_t> offsets;  // that are there: stretches, from and to
  };
  static void AddRun(Counted* topic, const MessageRun& run);
  static bool AddMessage(Counted* topic, std::uint64_t offset);

  TopicRecord record_;
  std::map<std::uint32_t, Counted> topics_;  // by number
  std::array<std::uint64_t, kTypes> by_type_{};
};

}  // namespace rivulet
