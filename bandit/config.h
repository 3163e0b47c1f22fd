// The command line of bandit.
#pragma once

#include <optional>
#include <string>

#include "bandit/api_options.h"
#include "http/daemon.h"
#include "queuereader/config.h"
#include "tasks/bandit_arms.h"

namespace rivulet {

struct BanditConfig {
  std::string store = "memory:";
  std::string store_password_file;
  BanditKeys keys;
  Duration refresh = std::chrono::milliseconds(100);
  BanditApiOptions api;
  /// Of the reader in this process; without sources there is none.
  ReaderOptions reader;
  DaemonOptions daemon;

  bool learns() const { return !reader.sources.empty(); }
  bool store_is_redis() const { return store.starts_with("redis"); }
};

/// Declares, parses and checks the options. The exit status to end with now, or nothing. What is
/// not given of --key, --experiments and --features is as in the task bandit of --task.
std::optional<int> ParseBanditConfig(Options* declared, int argc, const char* const* argv,
                                     const std::string& known_tasks, BanditConfig* config);

}  // namespace rivulet
