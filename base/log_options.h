// The log options that every program takes.
#pragma once

#include "base/log.h"
#include "base/options.h"

namespace rivulet {

/// --log-format=text|json, --log-level=debug|info|warning|error, --log-file=FILE as given.
struct LogOptions {
  std::string format = "text";
  std::string level = "info";
  std::string file;
};

void AddLogOptions(Options* options, LogOptions* log);
/// Sets up the log from parsed options.
Status InitLog(const std::string& program, const LogOptions& log);

}  // namespace rivulet
