// The half of base/options.h that teaches: --help.
#include <fmt/format.h>

#include <algorithm>

#include "base/options_impl.h"
#include "base/text.h"
#include "base/units.h"

namespace rivulet {

namespace {

constexpr std::size_t kHelpColumn = 28;
constexpr std::size_t kHelpWidth = 80;

// "  --name=METAVAR      help ...", wrapped.
void AppendEntry(std::string* out, std::string_view option, std::string_view help) {
  std::string line = fmt::format("  {}", option);
  // At least two spaces, so that the name's end is plain.
  if (line.size() + 2 > kHelpColumn) {
    *out += line + "\n";
    line.clear();
  }
  for (const std::string& part : WrapText(help, kHelpWidth - kHelpColumn)) {
    line.resize(kHelpColumn, ' ');
    *out += line + part + "\n";
    line.clear();
  }
  if (!line.empty()) *out += line + "\n";
}

}  // namespace

std::string Options::Declared::Spec::RangeText() const {
  if (!range) return "";
  const auto text = [this](double bound) {
    if (kind == Kind::kReal) return fmt::format("{}", bound);
    const auto whole = static_cast<std::uint64_t>(bound);
    return kind == Kind::kBytes ? FormatByteCount(whole) : std::to_string(whole);
  };
  constexpr double kTwoTo63 = 9223372036854775808.0;
  // A bound that only the type gives is not worth reading.
  const bool open = range->high >= (kind == Kind::kReal ? 1e300 : kTwoTo63);
  if (open) return range->low > 0 || kind == Kind::kReal ? "at least " + text(range->low) : "";
  return text(range->low) + " to " + text(range->high);
}

std::string Options::HelpText() const {
  const std::string arguments = impl_->ArgumentNames();
  std::string out =
      fmt::format("{} - {}\n\nusage: {} [--NAME=VALUE]...{}{}\n", impl_->program, impl_->summary,
                  impl_->program, arguments.empty() ? "" : " ", arguments);
  if (!arguments.empty()) out += "\nArguments:\n";
  for (const auto& argument : impl_->arguments) {
    const auto& choices = argument->choices;
    AppendEntry(&out, argument->name,
                choices.empty()
                    ? argument->help
                    : fmt::format("{} (one of {})", argument->help, fmt::join(choices, ", ")));
  }
  std::vector<std::string> sections;
  std::vector<const Declared::Spec*> sorted;
  for (const auto& spec : impl_->specs) {
    sorted.push_back(spec.get());
    if (spec->section != "General" &&
        std::find(sections.begin(), sections.end(), spec->section) == sections.end()) {
      sections.push_back(spec->section);
    }
  }
  sections.emplace_back("General");
  std::sort(sorted.begin(), sorted.end(),
            [](const auto* a, const auto* b) { return a->name < b->name; });

  for (const std::string& section : sections) {
    out += "\n" + section + ":\n";
    for (const auto* spec : sorted) {
      if (spec->section != section) continue;
      const bool flag = spec->kind == Declared::Spec::Kind::kFlag;
      std::string help = spec->help;
      std::vector<std::string> notes;
      if (!spec->choices.empty()) {
        notes.push_back(fmt::format("one of {}", fmt::join(spec->choices, ", ")));
      }
      if (std::string range = spec->RangeText(); !range.empty()) notes.push_back(std::move(range));
      if (spec->kind == Declared::Spec::Kind::kTexts) notes.emplace_back("may be repeated");
      if (spec->required) notes.emplace_back("required");
      if (!spec->default_text.empty()) notes.push_back("default: " + spec->default_text);
      if (!notes.empty()) help += fmt::format(" ({})", fmt::join(notes, "; "));
      AppendEntry(&out, flag ? "--" + spec->name : "--" + spec->name + "=" + spec->metavar, help);
    }
    if (section == "General") {
      AppendEntry(&out, "--help", "show this text and exit");
      AppendEntry(&out, "--version", "show the version and exit");
    }
  }
  if (!impl_->epilog.empty()) {
    out += "\n" + impl_->epilog;
    if (out.back() != '\n') out += '\n';
  }
  return out;
}

}  // namespace rivulet
