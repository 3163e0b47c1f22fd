// What the three programs share: --store=URL, and an end with a message where the store has none.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "base/clock.h"
#include "base/options.h"
#include "store/open_store.h"

namespace example {

/// The value, or the end of the program.
template <typename T>
T Must(rivulet::Result<T> result) {
  if (result.ok()) return std::move(*result);
  std::fprintf(stderr, "%s\n", result.status().message().c_str());
  std::exit(1);
}
inline void Must(const rivulet::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.message().c_str());
  std::exit(1);
}

/// The store that the command line asks for.
inline std::unique_ptr<rivulet::HostedStore> StoreOf(int argc, char** argv, const char* name,
                                                     const char* summary) {
  static const rivulet::SystemClock clock;
  std::string url = "memory:";
  rivulet::Options options(name, summary);
  options
      .Text("store", &url,
            "memory:, file:DIR, redis://[USER:PASSWORD@]HOST[:PORT][/DB] or redis+unix://PATH")
      .Metavar("URL");
  if (const auto code = options.Parse(argc, argv)) std::exit(*code);
  rivulet::StoreOptions store;
  store.clock = &clock;
  store.patience = std::chrono::seconds(5);
  return Must(rivulet::OpenStore(url, store));
}

}  // namespace example
