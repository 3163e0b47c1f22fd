// The store that --store=URL asks for.
//
//   memory:                                in this process
//   file:DIR[?sync=always|none]            a folder that one process at a time has
//   redis://[USER:PASSWORD@]HOST[:PORT][/DB][?timeout=5s]
//   redis+unix://[USER:PASSWORD@]/PATH[?db=N]
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/status.h"
#include "store/hosted_store.h"

namespace rivulet {

struct StoreOptions {
  const Clock* clock = nullptr;  // required; outlives the store
  /// How long Run() waits for a store that is away; nothing: for ever.
  std::optional<Duration> patience{};
  /// file: is read as it is now, though another process has it; nothing can be changed.
  bool read_only = false;
  /// Instead of a password in the URL, which others may see in the list of processes: the first
  /// line of this file. Empty: none.
  std::string password_file{};
};

/// kInvalidArgument where the URL is none; other errors where the store cannot be opened now: a
/// wrong password or a damaged file always, a Redis that is away only where `patience` is set
/// (which is then waited for), else it is waited for by the first Run().
Result<std::unique_ptr<HostedStore>> OpenStore(std::string_view url, const StoreOptions& options);

/// The URL as it may be shown: without its password. For messages and reports.
std::string ShownStoreUrl(std::string_view url);

}  // namespace rivulet
