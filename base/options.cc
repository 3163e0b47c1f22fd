#include "base/options.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "base/log.h"
#include "base/options_impl.h"
#include "base/print.h"
#include "base/text.h"
#include "base/version.h"

namespace rivulet {

using Declared = Options::Declared;

namespace {

std::string_view Trim(std::string_view text) {
  const auto is_space = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

// What was given, fit for a line of an error.
std::string Shown(std::string_view text) {
  constexpr std::size_t kMaxShownBytes = 200;
  if (text.size() <= kMaxShownBytes) return EscapeControl(text);
  return EscapeControl(text.substr(0, kMaxShownBytes)) + "...";
}

std::string Joined(const std::vector<std::string>& words) {
  return fmt::format("{}", fmt::join(words, ", "));
}

}  // namespace

Options::Options(std::string program, std::string summary) : impl_(std::make_unique<Impl>()) {
  impl_->program = std::move(program);
  impl_->summary = std::move(summary);
  Text("config", &impl_->config_file,
       "read options from FILE: lines of name = value; the command line wins")
      .Metavar("FILE");
  impl_->specs.back()->section = "General";
}

Options::~Options() = default;

void Options::Section(std::string title) {
  auto& sections = impl_->sections;
  // Moved to the end, where Add() looks; the order of --help is that of the first option.
  sections.erase(std::remove(sections.begin(), sections.end(), title), sections.end());
  sections.push_back(std::move(title));
}

void Options::Epilog(std::string text) { impl_->epilog = std::move(text); }

Declared::Spec* Options::Impl::Find(std::string_view name) const {
  for (const auto& spec : specs) {
    if (spec->name == name) return spec.get();
  }
  return nullptr;
}

Status Options::Impl::Set(Spec* spec, const std::string& value) {
  const auto& choices = spec->choices;
  if (!choices.empty() && std::find(choices.begin(), choices.end(), value) == choices.end()) {
    return InvalidArgument((choices.size() == 1 ? "must be " : "must be one of ") +
                           Joined(choices));
  }
  if (spec->check) {
    if (Status status = spec->check(value); !status.ok()) {
      const bool whole = status.message().starts_with("must ");
      return InvalidArgument((whole ? "" : "must be ") + status.message());
    }
  }
  if (Status status = spec->set(value); !status.ok()) return status;
  spec->given = true;
  return {};
}

int Options::Impl::Complain(std::string_view message, int exit_status) const {
  Print(stderr, "{}: {}\n", program, message);
  return exit_status;
}

std::string Options::Impl::Suggestion(std::string_view name) const {
  std::vector<std::string_view> names = {"help", "version"};
  for (const auto& spec : specs) names.push_back(spec->name);
  return std::string(NearestName(name, names));
}

std::string Options::Impl::ArgumentNames() const {
  std::string names;
  for (const auto& argument : arguments) {
    if (!names.empty()) names += ' ';
    names += argument->any_number ? "[" + argument->name + "]..." : argument->name;
  }
  return names;
}

std::optional<int> Options::Impl::ParseArgument(std::string_view word) {
  if (arguments.empty()) {
    return Complain(
        fmt::format("{}: must be an option, --name=VALUE; there are no arguments", Shown(word)), 2);
  }
  for (const auto& argument : arguments) {
    if (argument->given && !argument->any_number) continue;
    if (const Status status = Set(argument.get(), std::string(word)); !status.ok()) {
      return Complain(fmt::format("{} {}: {}", argument->name, Shown(word), status.message()), 2);
    }
    return std::nullopt;
  }
  return Complain(fmt::format("{}: one argument too many: must be {} {}", Shown(word), program,
                              ArgumentNames()),
                  2);
}

std::optional<int> Options::Impl::CheckGiven() const {
  for (const auto& argument : arguments) {
    if (argument->given || argument->any_number) continue;
    return Complain(
        fmt::format("{} must be given: {} {}", argument->name, program, ArgumentNames()), 2);
  }
  for (const auto& spec : specs) {
    if (!spec->required || spec->given) continue;
    return Complain(fmt::format("--{}={} must be given: {}", spec->name, spec->metavar, spec->help),
                    2);
  }
  return std::nullopt;
}

std::optional<int> Options::Impl::ParseOne(std::string_view word, const char* next,
                                           bool* took_next) {
  if (!word.starts_with("-") || word == "-" || word == "--") return ParseArgument(word);
  const bool dashes = word.starts_with("--");
  const std::size_t equals = word.find('=');
  const std::string_view name = word.substr(dashes ? 2 : 1, equals - (dashes ? 2 : 1));
  Spec* spec = dashes ? Find(name) : nullptr;
  if (spec == nullptr) {
    const std::string meant = Suggestion(name);
    return Complain(fmt::format("{}: unknown option: must be one that --help lists{}", Shown(word),
                                meant.empty() ? "" : fmt::format("; did you mean --{}?", meant)),
                    2);
  }
  std::string value = "true";
  if (equals != std::string_view::npos) {
    value = word.substr(equals + 1);
  } else if (spec->kind != Spec::Kind::kFlag) {
    // A value that starts with dashes is more likely the next option; --name=VALUE takes any.
    if (next == nullptr || std::string_view(next).starts_with("--")) {
      return Complain(
          fmt::format("--{}: must be followed by a value: --{}={}", name, name, spec->metavar), 2);
    }
    value = next;
    *took_next = true;
  }
  if (const Status status = Set(spec, value); !status.ok()) {
    return Complain(fmt::format("--{}={}: {}", name, Shown(value), status.message()), 2);
  }
  return std::nullopt;
}

std::optional<int> Options::Impl::ParseConfigLine(std::string_view line, const std::string& where,
                                                  const std::vector<Spec*>& fixed) {
  line = Trim(line);
  if (line.empty() || line[0] == '#') return std::nullopt;
  const std::size_t equals = line.find('=');
  if (equals == std::string_view::npos) {
    return Complain(fmt::format("{}: {}: must be name = value", where, Shown(line)), 2);
  }
  const std::string_view written = Trim(line.substr(0, equals));
  const std::string value(Trim(line.substr(equals + 1)));
  std::string name(written);
  std::replace(name.begin(), name.end(), '_', '-');
  Spec* spec = name == "config" ? nullptr : Find(name);
  if (spec == nullptr) {
    const std::string meant = Suggestion(name);
    return Complain(
        fmt::format("{}: {}: unknown option: must be one that --help lists{}", where,
                    Shown(written),
                    meant.empty() || meant == name ? "" : fmt::format("; did you mean {}?", meant)),
        2);
  }
  const bool overruled = std::find(fixed.begin(), fixed.end(), spec) != fixed.end();
  if (overruled) return std::nullopt;
  if (const Status status = Set(spec, value); !status.ok()) {
    return Complain(
        fmt::format("{}: {} = {}: {}", where, Shown(written), Shown(value), status.message()), 2);
  }
  return std::nullopt;
}

std::optional<int> Options::Impl::ParseConfig() {
  std::vector<Spec*> fixed;
  for (const auto& spec : specs) {
    if (spec->given) fixed.push_back(spec.get());
  }
  const auto unreadable = [this](int error_number) {
    return Complain(fmt::format("--config={}: must be a readable file: {}", Shown(config_file),
                                std::strerror(error_number)),
                    1);
  };
  std::ifstream file(config_file);
  if (!file) return unreadable(errno);
  errno = 0;
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    const std::string where = fmt::format("{}:{}", Shown(config_file), number);
    if (auto status = ParseConfigLine(line, where, fixed)) return status;
  }
  if (file.bad()) return unreadable(errno != 0 ? errno : EIO);
  return std::nullopt;
}

std::optional<int> Options::Parse(int argc, const char* const* argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--help") {
      Print(stdout, "{}", HelpText());
      return 0;
    }
    if (word == "--version") {
      Print(stdout, "{} {}\n", impl_->program, kVersion);
      return 0;
    }
    bool took_next = false;
    const char* next = i + 1 < argc ? argv[i + 1] : nullptr;
    if (auto status = impl_->ParseOne(word, next, &took_next)) return status;
    if (took_next) ++i;
  }
  if (given("config")) {
    if (auto status = impl_->ParseConfig()) return status;
  }
  return impl_->CheckGiven();
}

bool Options::given(std::string_view name) const {
  const auto* spec = impl_->Find(name);
  return spec != nullptr && spec->given;
}

int Options::Fail(std::string_view message) const { return impl_->Complain(message, 2); }

}  // namespace rivulet
