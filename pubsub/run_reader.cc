#include "pubsub/run_reader.h"

#include <fmt/format.h>

namespace rivulet {

Result<const RunReader::Found*> RunReader::Find(std::uint32_t topic, const RecordPlace& place,
                                                std::uint64_t end) {
  if (has_found_ && found_.place.offset == place.offset && found_.place.segment == place.segment &&
      found_.run.topic == topic) {
    return &found_;
  }
  has_found_ = false;
  found_.next = place;
  while (true) {
    found_.place = found_.next;
    auto record = reader_->Next(&found_.next, end);
    if (!record.ok()) return record.status();
    if (!record->has_value()) return nullptr;
    if (!IsRunOf(**record, topic)) continue;
    found_.record = **record;
    if (!DecodeRun(found_.record, &found_.run)) {
      return Status(StatusCode::kCorrupt,
                    fmt::format("{}:{}: a record of messages that cannot be read",
                                SegmentName(found_.place.segment), found_.place.offset));
    }
    has_found_ = true;
    return &found_;
  }
}

void RunReader::Forget(std::uint64_t segment) {
  has_found_ = false;
  reader_->Forget(segment);
}

}  // namespace rivulet
