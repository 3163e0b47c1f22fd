#include "pubsub/filter.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <optional>
#include <utility>

#include "base/json.h"
#include "base/json_field.h"
#include "base/log.h"
#include "pubsub/pattern.h"

namespace rivulet {

namespace {

class FieldFilter final : public Filter {
 public:
  FieldFilter(std::string text, std::string subject, std::unique_ptr<RE2> pattern)
      : text_(std::move(text)), field_(std::move(subject)), pattern_(std::move(pattern)) {}

  bool Keeps(const TopicMessage& message) override {
    if (last_sequence_ == message.sequence) return last_kept_;
    last_sequence_ = message.sequence;
    last_kept_ = field_.Read(message.body) == JsonFieldReader::Found::kText &&
                 MatchesAnywhere(*pattern_, field_.text().substr(0, FilterSet::kMaxTextBytes));
    ++evaluated_;
    if (last_kept_) ++kept_;
    return last_kept_;
  }
  const std::string& text() const override { return text_; }
  std::uint64_t evaluated() const override { return evaluated_; }
  std::uint64_t kept() const override { return kept_; }

 private:
  std::string text_;
  JsonFieldReader field_;
  std::unique_ptr<RE2> pattern_;
  std::optional<std::uint64_t> last_sequence_;
  bool last_kept_ = false;
  std::uint64_t evaluated_ = 0;
  std::uint64_t kept_ = 0;
};

Status CheckSubject(std::string_view subject) {
  if (subject.empty()) {
    return InvalidArgument("filter_subject must be given: a key of the messages, as in geo.city");
  }
  if (subject.size() > FilterSet::kMaxSubjectBytes) {
    return InvalidArgument(fmt::format("filter_subject of {} bytes must be at most {}",
                                       subject.size(), FilterSet::kMaxSubjectBytes));
  }
  if (subject.find('\0') != std::string_view::npos || !IsValidUtf8(subject)) {
    return InvalidArgument(fmt::format("filter_subject={} must be UTF-8 without NUL, as keys are",
                                       EscapeControl(subject)));
  }
  return Status::Ok();
}

// Tells filters apart, and reads well in a list of clients: ["geo.city","^Par"].
std::string TextOf(std::string_view subject, std::string_view pattern) {
  std::string text = "[";
  AppendJsonString(&text, subject);
  text += ',';
  AppendJsonString(&text, pattern);
  return text += ']';
}

}  // namespace

Result<std::shared_ptr<Filter>> FilterSet::Get(std::string_view subject, std::string_view pattern) {
  if (Status status = CheckSubject(subject); !status.ok()) return status;
  if (pattern.size() > kMaxPatternBytes) {
    return InvalidArgument(fmt::format("filter_pattern of {} bytes must be at most {}",
                                       pattern.size(), kMaxPatternBytes));
  }
  if (!IsValidUtf8(pattern)) return InvalidArgument("filter_pattern must be UTF-8");
  std::string text = TextOf(subject, pattern);
  const auto known = filters_.find(text);
  if (known != filters_.end()) {
    if (auto filter = known->second.lock()) return filter;
  }
  auto compiled = CompilePattern("filter_pattern", pattern);
  if (!compiled.ok()) return compiled.status();
  if (filters_.size() >= max_filters_) {
    std::erase_if(filters_, [](const auto& entry) { return entry.second.expired(); });
    if (filters_.size() >= max_filters_) {
      return Status(StatusCode::kExhausted,
                    fmt::format("{} filters are in use, as many as there may be", max_filters_));
    }
  }
  // Not make_shared: a weak pointer is to keep no more than its counters.
  std::shared_ptr<Filter> filter(
      std::make_unique<FieldFilter>(text, std::string(subject), std::move(compiled).value()));
  filters_.insert_or_assign(std::move(text), filter);
  return filter;
}

std::size_t FilterSet::size() const {
  std::size_t size = 0;
  for (const auto& [text, filter] : filters_) size += filter.expired() ? 0 : 1;
  return size;
}

}  // namespace rivulet
