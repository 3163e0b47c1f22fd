#include "bridge/message_filter.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.h"

namespace rivulet {

namespace {

constexpr std::string_view kAnything = "*";

Status CheckPair(const std::string& text) {
  const auto equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    return InvalidArgument("KEY=VALUE, where KEY is a field of a JSON object, or KEY=*");
  }
  return Status::Ok();
}

bool Holds(const std::vector<std::string>& values, std::string_view text) {
  return std::any_of(values.begin(), values.end(), [text](const std::string& value) {
    return value == kAnything || value == text;
  });
}

}  // namespace

void AddMessageFilterOptions(Options* options, MessageFilterOptions* values) {
  options->Section("Filters");
  options
      ->Texts("filter-require", &values->require,
              "keep JSON messages whose KEY has that VALUE (* for any), and no others")
      .Metavar("KEY=VALUE")
      .Check(CheckPair);
  options->Texts("filter-exclude", &values->exclude, "drop JSON messages whose KEY has that VALUE")
      .Metavar("KEY=VALUE")
      .Check(CheckPair);
}

Result<MessageFilter> MessageFilter::Make(const MessageFilterOptions& options) {
  MessageFilter filter;
  const auto add = [&filter](std::string_view option, const std::string& text,
                             std::vector<std::string> Field::*values) -> Status {
    if (Status status = CheckPair(text); !status.ok()) {
      return InvalidArgument(
          fmt::format("--{}={}: must be {}", option, EscapeControl(text), status.message()));
    }
    const auto equals = text.find('=');
    const auto key = std::string_view(text).substr(0, equals);
    auto field = std::find_if(filter.fields_.begin(), filter.fields_.end(),
                              [key](const Field& known) { return known.reader.path() == key; });
    if (field == filter.fields_.end()) {
      filter.fields_.push_back({JsonFieldReader(std::string(key)), {}, {}});
      field = filter.fields_.end() - 1;
    }
    ((*field).*values).push_back(text.substr(equals + 1));
    return Status::Ok();
  };
  for (const auto& text : options.require) {
    if (Status status = add("filter-require", text, &Field::require); !status.ok()) return status;
  }
  for (const auto& text : options.exclude) {
    if (Status status = add("filter-exclude", text, &Field::exclude); !status.ok()) return status;
  }
  return filter;
}

bool MessageFilter::Keeps(std::string_view message) {
  if (fields_.empty() || Matches(message)) return true;
  ++dropped_;
  return false;
}

bool MessageFilter::Matches(std::string_view message) {
  for (auto& field : fields_) {
    if (field.reader.Read(message) != JsonFieldReader::Found::kText) {
      if (!field.require.empty()) return false;
      continue;
    }
    const auto text = field.reader.text();
    if (!field.require.empty() && !Holds(field.require, text)) return false;
    if (Holds(field.exclude, text)) return false;
  }
  return true;
}

}  // namespace rivulet
