// collector: takes events of browsers and publishes them as messages. See collector(1).
#include <fmt/format.h>

#include <cstdio>
#include <random>
#include <utility>

#include "base/print.h"
#include "base/token_file.h"
#include "collector/api.h"
#include "collector/config.h"
#include "collector/mapping.h"
#include "http/daemon.h"

namespace {

constexpr char kName[] = "collector";

rivulet::Result<rivulet::Mapping> ReadMapping(const std::string& path) {
  return path.empty() ? rivulet::Mapping::Everything() : rivulet::Mapping::Read(path);
}

std::uint64_t RandomSeed() {
  std::random_device device;
  return (std::uint64_t{device()} << 32) | device();
}

}  // namespace

int main(int argc, char** argv) {
  using namespace rivulet;
  Options options(kName, "takes events of browsers, and publishes them as messages");
  CollectorOptions values;
  DaemonOptions common;
  // What strangers can make it hold, sending slowly: bodies in less than 256 MiB of memory.
  common.max_body_bytes = std::uint64_t{128} << 10;
  common.max_connections = 1024;
  common.idle_timeout = std::chrono::seconds(15);  // a page says what it has to say at once
  AddCollectorOptions(&options, &values);
  AddDaemonOptions(&options, &common);
  if (const auto code = options.Parse(argc, argv)) return *code;
  if (const auto code = CheckCollectorOptions(options, values)) return *code;
  auto mapping = ReadMapping(values.mapping);
  if (mapping.status().code() == StatusCode::kInvalidArgument) {
    return options.Fail(mapping.status().message());
  }
  if (!mapping.ok()) return FailStart(kName, mapping.status());
  if (values.check) {
    Print(stdout, "{} is well: {} fields\n",
          values.mapping.empty() ? "the mapping without --mapping" : values.mapping,
          mapping->fields());
    return 0;
  }
  if (Status s = CheckDaemonOptions(common); !s.ok()) return options.Fail(s.message());
  if (Status s = PrepareProcess(kName, common); !s.ok()) return FailStart(kName, s);

  values.allow_origins = common.allow_origins;
  std::string token;
  if (!values.sender_token_file.empty()) {
    auto read = ReadTokenFile("sender-token-file", values.sender_token_file);
    if (!read.ok()) return FailStart(kName, read.status());
    token = std::move(read).value();
  }
  auto outlet = MakeOutletConfig(values, options.given("batch"), RandomSeed());
  if (!outlet.ok()) return FailStart(kName, outlet.status());

  Daemon daemon(kName, common);
  CollectorApi api(daemon, values, std::move(mapping).value(), std::move(token), RandomSeed());
  api.Install();
  daemon.OnBound([&] { return api.Open(std::move(outlet).value()); });
  daemon.OnHangup([&] { api.Reopen(); });
  daemon.OnDraining([&] { api.OnDraining(common.drain_timeout); });
  daemon.OnDrained([&] { return api.Close(); });
  return daemon.Run();
}
