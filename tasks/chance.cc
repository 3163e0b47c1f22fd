#include "tasks/chance.h"

#include <limits>

#include "tasks/saved_state.h"

namespace rivulet {

namespace {

constexpr std::string_view kSampleFormat = "sample 1";
constexpr std::string_view kFailFormat = "fail 1";

double Rate(TaskArgs& args) {
  args.RequiredText("rate");
  return args.Number("rate", 0, 0, 1);
}

std::uint64_t Seed(TaskArgs& args) {
  return args.Uint("seed", 1, 0, std::numeric_limits<std::uint64_t>::max());
}

// Another rate may go on with the same numbers; another seed begins anew.
std::string Arguments(std::uint64_t seed) { return "seed=" + std::to_string(seed); }

std::string SaveRandom(std::string_view format, std::uint64_t seed, const SplitMix64& random) {
  std::string bytes = BeginState(format, Arguments(seed));
  PutUint64(&bytes, random.state());
  return bytes;
}

Status LoadRandom(std::string_view saved, std::string_view format, std::uint64_t seed,
                  SplitMix64* random) {
  const auto state = OpenState(saved, format, Arguments(seed));
  if (!state.ok()) return state.status();
  ByteReader bytes(*state);
  *random = SplitMix64(bytes.Uint64());
  return bytes.Finished() ? Status() : DamagedState(format);
}

}  // namespace

SampleTask::SampleTask(TaskArgs& args) : rate_(Rate(args)), seed_(Seed(args)), random_(seed_) {}

std::string SampleTask::Save() const { return SaveRandom(kSampleFormat, seed_, random_); }

Status SampleTask::Load(std::string_view saved) {
  return LoadRandom(saved, kSampleFormat, seed_, &random_);
}

FailTask::FailTask(TaskArgs& args) : rate_(Rate(args)), seed_(Seed(args)), random_(seed_) {}

std::string FailTask::Save() const { return SaveRandom(kFailFormat, seed_, random_); }

Status FailTask::Load(std::string_view saved) {
  return LoadRandom(saved, kFailFormat, seed_, &random_);
}

}  // namespace rivulet
