#include "tasks/count.h"

#include "tasks/saved_state.h"

namespace rivulet {

namespace {

constexpr std::string_view kFormat = "count 1";

}  // namespace

std::string CountTask::Save() const {
  std::string bytes = BeginState(kFormat);
  PutUint64(&bytes, messages_);
  PutUint64(&bytes, heartbeats_);
  return bytes;
}

Status CountTask::Load(std::string_view saved) {
  const auto state = OpenState(saved, kFormat);
  if (!state.ok()) return state.status();
  ByteReader bytes(*state);
  messages_ = bytes.Uint64();
  heartbeats_ = bytes.Uint64();
  return bytes.Finished() ? Status() : DamagedState(kFormat);
}

}  // namespace rivulet
