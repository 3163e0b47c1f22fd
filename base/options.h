// Command-line options in the shell style of every rivulet program.
//
//   Options options("simplequeue", "an HTTP message queue");
//   options.Uint("max-depth", &depth, "messages a queue may hold").Range(1, kMax).Metavar("N");
//   options.Flag("enable-exit", &enable_exit, "let any client stop the daemon by /exit");
//   if (auto code = options.Parse(argc, argv)) return *code;
//
// `--name=value` and `--name value`; `--help` and `--version` print to standard output and exit 0;
// a wrong option prints one line on standard error (program, option, value, what would be right)
// and exits 2. `--config=FILE` reads `name = value` lines (# comments; dashes or underscores; flags
// take true or false; repeatable options may repeat); the command line wins. The default shown by
// --help is the value the variable holds when the option is declared.
//
// A flag may be written --name=false; another option's value must not start with "--" unless it is
// written --name=VALUE. There are no arguments beside options, but for a tool that declares them
// (Argument(), Arguments()). An unknown name is answered with the nearest known one.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/status.h"

namespace rivulet {

class Options {
 public:
  /// Refines the option declared last. References are valid until the next declaration.
  class Declared {
   public:
    /// The placeholder in --help: `--port=PORT`.
    Declared& Metavar(std::string name);
    /// Inclusive bounds of a Uint, a Bytes count or a Real.
    Declared& Range(double low, double high);
    /// A Text must be one of these.
    Declared& OneOf(std::vector<std::string> choices);
    /// A Text is checked by `check`; its message follows "must be" unless it starts with "must".
    Declared& Check(std::function<Status(const std::string&)> check);
    Declared& Required();
    /// Replaces the default that --help shows.
    Declared& DefaultText(std::string text);

   private:
    friend class Options;
    struct Spec;
    explicit Declared(Spec* spec) : spec_(spec) {}
    Spec* spec_;
  };

  Options(std::string program, std::string summary);
  ~Options();
  Options(const Options&) = delete;
  Options& operator=(const Options&) = delete;

  /// Starts a titled group of options in --help.
  void Section(std::string title);
  /// Text shown after the options in --help: examples, one a line.
  void Epilog(std::string text);

  // The variables must outlive Parse(). `name` is without dashes.
  Declared Flag(std::string name, bool* value, std::string help);
  Declared Text(std::string name, std::string* value, std::string help);
  /// May be given several times; each value is appended.
  Declared Texts(std::string name, std::vector<std::string>* values, std::string help);
  Declared Uint(std::string name, std::uint64_t* value, std::string help);
  Declared Real(std::string name, double* value, std::string help);
  Declared Bytes(std::string name, std::uint64_t* value, std::string help);  // ParseByteCount
  Declared Time(std::string name, Duration* value, std::string help);        // ParseDuration
  /// A word without dashes. The first declared is the first given, and each must be. `name` is what
  /// usage and errors call it: "DIR". Takes OneOf and Check.
  Declared Argument(std::string name, std::string* value, std::string help);
  /// The words without dashes behind those, any number of them, none included. Declared last, once.
  Declared Arguments(std::string name, std::vector<std::string>* values, std::string help);

  /// The exit status to end with now (0 after --help and --version, 2 after a wrong option, 1 for a
  /// config file that cannot be read), or nothing when the program should go on.
  std::optional<int> Parse(int argc, const char* const* argv);

  /// True when the option was given on the command line or in the config file.
  bool given(std::string_view name) const;
  /// The text of --help.
  std::string HelpText() const;

  /// Prints "PROGRAM: MESSAGE" on standard error and returns 2: for checks over several options.
  int Fail(std::string_view message) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rivulet
