// What an Archiver tells of itself.
#include <fmt/format.h>

#include <iterator>

#include "base/json.h"
#include "base/metrics.h"
#include "ps_to_file/archiver.h"

namespace rivulet {

struct Archiver::Count {
  std::string_view name;
  std::string_view help;
  std::uint64_t value = 0;
  bool grows = true;
};

std::vector<Archiver::Count> Archiver::Counts() const {
  const auto progress = writer_.progress();
  return {
      {"received", "Messages that came", received_},
      {"written", "Messages written to files", progress.written},
      {"filtered", "Messages that a filter dropped", filter_.dropped()},
      {"refused", "Messages longer than --max-message-bytes", too_long_},
      {"missed", "Messages that the source no longer had", missed_},
      {"newlines", "Messages that hold a newline, written as lines", gatherer_.newlines()},
      {"bytes", "Bytes written to files, compressed", progress.file_bytes},
      {"completed", "Files completed", progress.completed},
      {"checkpoints", "Checkpoints made", progress.checkpoints},
      {"reconnects", "Tries to connect to the source, beyond the first", source_.reconnects()},
      {"parts", "Files that are not complete", gatherer_.open_files(), false},
      {"open_files", "Files open", progress.open_files, false},
      {"pending_bytes", "Bytes that wait to be written", held_bytes(), false},
      {"paused", "1 while the source is not read", source_.paused() ? 1U : 0U, false},
      {"connected", "1 while the source is read", source_.connected() ? 1U : 0U, false},
      {"failing", "1 while files cannot be written", progress.trouble.empty() ? 0U : 1U, false},
  };
}

Status Archiver::health() const {
  const auto trouble = writer_.progress().trouble;
  if (trouble.empty()) return Status::Ok();
  return {StatusCode::kUnavailable, trouble};
}

StatusServer::Hooks Archiver::StatusHooks() const {
  StatusServer::Hooks hooks;
  hooks.health = [this] { return health(); };
  hooks.stats_text = [this] { return StatsText(); };
  hooks.stats_json = [this] { return StatsJson(); };
  hooks.write_metrics = [this](std::string* out) { WriteMetrics(out); };
  return hooks;
}

std::string Archiver::StatsText() const {
  std::string out;
  for (const auto& count : Counts()) {
    fmt::format_to(std::back_inserter(out), "{}:{}\n", count.name, count.value);
  }
  return out;
}

std::string Archiver::StatsJson() const {
  std::string out = "{";
  for (const auto& count : Counts()) {
    fmt::format_to(std::back_inserter(out), "\"{}\":{},", count.name, count.value);
  }
  out += "\"trouble\":";
  AppendJsonString(&out, writer_.progress().trouble);
  out += ",\"source\":{\"url\":";
  AppendJsonString(&out, source_.shown_url());
  const auto next = source_.next();
  const std::string position = next ? std::to_string(*next) : "null";
  out.append(",\"position\":").append(position);
  return out += "}}\n";
}

void Archiver::WriteMetrics(std::string* out) const {
  for (const auto& count : Counts()) {
    const std::string name =
        fmt::format("rivulet_archive_{}{}", count.name, count.grows ? "_total" : "");
    WriteMetricHeader(out, name, count.help, count.grows ? "counter" : "gauge");
    WriteMetricSample(out, name, {}, static_cast<double>(count.value));
  }
}

}  // namespace rivulet
