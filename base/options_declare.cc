// The half of base/options.h that declares.
#include <fmt/format.h>

#include <cassert>
#include <utility>

#include "base/log.h"
#include "base/options_impl.h"
#include "base/units.h"

namespace rivulet {

using Declared = Options::Declared;

Declared& Declared::Metavar(std::string name) {
  spec_->metavar = std::move(name);
  return *this;
}

Declared& Declared::Range(double low, double high) {
  spec_->range = {low, high};
  return *this;
}

Declared& Declared::OneOf(std::vector<std::string> choices) {
  spec_->choices = std::move(choices);
  return *this;
}

Declared& Declared::Check(std::function<Status(const std::string&)> check) {
  spec_->check = std::move(check);
  return *this;
}

Declared& Declared::Required() {
  spec_->required = true;
  spec_->default_text.clear();
  return *this;
}

Declared& Declared::DefaultText(std::string text) {
  spec_->default_text = std::move(text);
  return *this;
}

Declared::Spec* Options::Impl::Add(Spec::Kind kind, std::string name, std::string help) {
  assert(Find(name) == nullptr && name != "help" && name != "version");
  specs.push_back(std::make_unique<Spec>());
  Spec* spec = specs.back().get();
  spec->kind = kind;
  spec->name = std::move(name);
  spec->help = std::move(help);
  spec->section = sections.back();
  return spec;
}

Declared Options::Flag(std::string name, bool* value, std::string help) {
  auto* spec = impl_->Add(Declared::Spec::Kind::kFlag, std::move(name), std::move(help));
  if (*value) spec->default_text = "true";
  spec->set = [value](const std::string& text) -> Status {
    if (text != "true" && text != "false") return InvalidArgument("must be true or false");
    *value = text == "true";
    return {};
  };
  return Declared(spec);
}

Declared Options::Text(std::string name, std::string* value, std::string help) {
  auto* spec = impl_->Add(Declared::Spec::Kind::kText, std::move(name), std::move(help));
  spec->metavar = "TEXT";
  spec->default_text = EscapeControl(*value);
  spec->set = [value](const std::string& text) -> Status {
    *value = text;
    return {};
  };
  return Declared(spec);
}

Declared Options::Texts(std::string name, std::vector<std::string>* values, std::string help) {
  auto* spec = impl_->Add(Declared::Spec::Kind::kTexts, std::move(name), std::move(help));
  spec->metavar = "TEXT";
  spec->default_text = fmt::format("{}", fmt::join(*values, ", "));
  spec->set = [values, spec](const std::string& text) -> Status {
    if (!spec->given) values->clear();  // the defaults
    values->push_back(text);
    return {};
  };
  return Declared(spec);
}

namespace {

// Parses, checks the range and stores.
template <typename T, typename Spec>
auto NumberSetter(Spec* spec, T* value, Result<T> (*parse)(std::string_view)) {
  return [spec, value, parse](const std::string& text) -> Status {
    const Result<T> parsed = parse(text);
    bool right = parsed.ok();
    if (right && spec->range) {
      const auto number = static_cast<double>(*parsed);
      right = number >= spec->range->low && number <= spec->range->high;
    }
    if (right) {
      *value = *parsed;
      return {};
    }
    const std::string range = spec->RangeText();
    // Below the type's own bound there is a better answer than the range's: "must be at most ...".
    if (range.empty()) return parsed.status();
    const std::string_view kind = spec->kind == Spec::Kind::kUint    ? "a whole number"
                                  : spec->kind == Spec::Kind::kBytes ? "a size"
                                                                     : "a number";
    const std::string_view joint = range.starts_with("at ") ? "of" : "from";
    return InvalidArgument(fmt::format("must be {} {} {}", kind, joint, range));
  };
}

}  // namespace

Declared Options::Uint(std::string name, std::uint64_t* value, std::string help) {
  auto* spec = impl_->Add(Declared::Spec::Kind::kUint, std::move(name), std::move(help));
  spec->metavar = "N";
  spec->default_text = std::to_string(*value);
  spec->set = NumberSetter<std::uint64_t>(spec, value, ParseUint);
  return Declared(spec);
}

Declared Options::Real(std::string name, double* value, std::string help) {
  auto* spec = impl_->Add(Declared::Spec::Kind::kReal, std::move(name), std::move(help));
  spec->metavar = "X";
  spec->default_text = fmt::format("{}", *value);
  spec->set = NumberSetter<double>(spec, value, ParseDouble);
  return Declared(spec);
}

Declared Options::Bytes(std::string name, std::uint64_t* value, std::string help) {
  auto* spec = impl_->Add(Declared::Spec::Kind::kBytes, std::move(name), std::move(help));
  spec->metavar = "SIZE";
  spec->default_text = FormatByteCount(*value);
  spec->set = NumberSetter<std::uint64_t>(spec, value, ParseByteCount);
  return Declared(spec);
}

Declared Options::Time(std::string name, Duration* value, std::string help) {
  auto* spec = impl_->Add(Declared::Spec::Kind::kTime, std::move(name), std::move(help));
  spec->metavar = "TIME";
  spec->default_text = FormatDuration(*value);
  spec->set = [value](const std::string& text) -> Status {
    const auto parsed = ParseDuration(text);
    if (!parsed.ok()) return parsed.status();
    *value = *parsed;
    return {};
  };
  return Declared(spec);
}

Declared Options::Argument(std::string name, std::string* value, std::string help) {
  auto& spec = impl_->arguments.emplace_back(std::make_unique<Declared::Spec>());
  spec->name = std::move(name);
  spec->help = std::move(help);
  spec->set = [value](const std::string& text) -> Status {
    *value = text;
    return {};
  };
  return Declared(spec.get());
}

Declared Options::Arguments(std::string name, std::vector<std::string>* values, std::string help) {
  auto& spec = impl_->arguments.emplace_back(std::make_unique<Declared::Spec>());
  spec->name = std::move(name);
  spec->help = std::move(help);
  spec->any_number = true;
  spec->set = [values](const std::string& text) -> Status {
    values->push_back(text);
    return {};
  };
  return Declared(spec.get());
}

}  // namespace rivulet
