// What options_declare.cc (declaring), options.cc (reading) and options_help.cc (teaching) share.
// Not for others.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/options.h"

namespace rivulet {

struct Options::Declared::Spec {
  enum class Kind { kFlag, kText, kTexts, kUint, kReal, kBytes, kTime };
  struct Bounds {
    double low;
    double high;
  };

  std::string name;
  std::string help;
  std::string section;
  Kind kind = Kind::kText;
  std::string metavar;
  std::string default_text;
  std::optional<Bounds> range;
  std::vector<std::string> choices;
  std::function<Status(const std::string&)> check;
  bool required = false;
  bool given = false;
  bool any_number = false;  // of an argument: none or several
  // Stores a value that was found right; its message starts with "must".
  std::function<Status(const std::string&)> set;

  /// A value's bounds as they are written: "1 to 65535", "at least 1", or empty.
  std::string RangeText() const;
};

struct Options::Impl {
  using Spec = Declared::Spec;

  std::string program;
  std::string summary;
  std::string epilog;
  std::vector<std::string> sections = {"Options"};  // in the order declared
  std::vector<std::unique_ptr<Spec>> specs;
  std::vector<std::unique_ptr<Spec>> arguments;  // in the order they are given
  std::string config_file;

  Spec* Find(std::string_view name) const;
  Spec* Add(Spec::Kind kind, std::string name, std::string help);
  /// Checks `value` and stores it. The message starts with "must".
  static Status Set(Spec* spec, const std::string& value);

  /// Prints "PROGRAM: MESSAGE" on standard error, as one line, and returns `exit_status`.
  int Complain(std::string_view message, int exit_status) const;
  std::optional<int> ParseArgument(std::string_view word);
  /// Complains about what was not given and must be.
  std::optional<int> CheckGiven() const;
  /// "COMMAND DIR", or empty.
  std::string ArgumentNames() const;
  std::optional<int> ParseOne(std::string_view word, const char* next, bool* took_next);
  std::optional<int> ParseConfig();
  std::optional<int> ParseConfigLine(std::string_view line, const std::string& where,
                                     const std::vector<Spec*>& fixed);
  std::string Suggestion(std::string_view name) const;
};

}  // namespace rivulet
