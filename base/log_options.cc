#include "base/log_options.h"

namespace rivulet {

void AddLogOptions(Options* options, LogOptions* log) {
  options->Section("Log");
  options->Text("log-format", &log->format, "how log lines look")
      .OneOf({"text", "json"})
      .Metavar("FORMAT");
  options->Text("log-level", &log->level, "the least severe lines to write")
      .OneOf({"debug", "info", "warning", "error"})
      .Metavar("LEVEL");
  options->Text("log-file", &log->file, "append the log to FILE, which SIGHUP opens again")
      .Metavar("FILE")
      .DefaultText("standard error");
}

Status InitLog(const std::string& program, const LogOptions& log) {
  const auto level = ParseLogLevel(log.level);
  if (!level.ok()) return level.status();
  return InitLog({program, log.format == "json", *level, log.file});
}

}  // namespace rivulet
