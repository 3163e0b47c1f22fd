#include "http/status_server.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/process.h"
#include "base/token_file.h"
#include "base/units.h"
#include "http/address.h"
#include "http/common_routes.h"
#include "http/reply.h"
#include "http/request.h"

namespace rivulet {

namespace {

// Nothing that is asked here has a body worth speaking of.
constexpr std::size_t kMaxBodyBytes = 64UL * 1024;

std::optional<std::uint16_t> PortOf(std::string_view text) {
  const bool digits = !text.empty() && text.size() <= 5 &&
                      std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
  if (!digits) return std::nullopt;
  const auto port = std::stoul(std::string(text));
  if (port > 65535) return std::nullopt;
  return static_cast<std::uint16_t>(port);
}

Result<ListenAddress> ParseHttpAddress(const std::string& text) {
  const Status wrong = InvalidArgument(
      fmt::format("--http-address={}: must be ADDRESS:PORT with a numeric address or localhost, a "
                  "PORT, or unix:PATH",
                  text));
  if (text.starts_with("unix:")) {
    const auto address = ParseListenAddress(text, 0);
    return address.ok() ? address : wrong;
  }
  const std::size_t colon = text.rfind(':');
  const auto port = PortOf(colon == std::string::npos ? text : text.substr(colon + 1));
  if (!port) return wrong;
  std::string host = colon == std::string::npos ? "127.0.0.1" : text.substr(0, colon);
  const bool in_brackets = host.size() > 2 && host.front() == '[' && host.back() == ']';
  // "::1:80" may be an address as a whole: which is meant must be said.
  if (in_brackets != (host.find(':') != std::string::npos)) return wrong;
  if (in_brackets) host = host.substr(1, host.size() - 2);
  const auto address = ParseListenAddress(host, *port);
  return address.ok() ? address : wrong;
}

}  // namespace

struct StatusServer::Impl {
  MetricRegistry metrics;
  Router router{&metrics};
  std::unique_ptr<Server> server;

  void AddRoutes(const std::string& name, WallTime start_time, const Hooks& hooks);
};

void StatusServer::Impl::AddRoutes(const std::string& name, WallTime start_time,
                                   const Hooks& hooks) {
  const auto health = [health = hooks.health] { return health ? health() : Status::Ok(); };
  AddCommonRoutes(&router, &metrics,
                  {.name = name, .start_time = start_time, .health = health, .hosts = {}});
  router.Add(
      kLooks, "/stats",
      [text = hooks.stats_text, json = hooks.stats_json](const Request& request, Reply& reply) {
        const auto format = request.Param("format");
        if (!format) return reply.Text(200, text ? text() : std::string());
        if (*format != "json") return reply.Error(400, "format must be json, or absent");
        reply.Body(200, kApplicationJson, json ? json() : "{}\n");
      });
  if (hooks.write_metrics) metrics.AddCollector(hooks.write_metrics);
}

void AddStatusServerOptions(Options* options, StatusServerOptions* values) {
  options->Section("Status over HTTP");
  options
      ->Text(
          "http-address", &values->http_address,
          "serve /ping, /stats, /metrics and a page there: ADDRESS:PORT, a PORT of 127.0.0.1, or "
          "unix:PATH")
      .Metavar("ADDRESS");
  options
      ->Text("http-auth-token-file", &values->http_auth_token_file,
             "file whose first line is the token every request but /ping must bring")
      .Metavar("FILE");
  options->Flag("insecure", &values->insecure,
                "serve an address that other machines reach without a token");
}

Status CheckStatusServerOptions(const StatusServerOptions& values) {
  if (values.http_address.empty()) {
    if (!values.http_auth_token_file.empty()) {
      return InvalidArgument("--http-auth-token-file=" + values.http_auth_token_file +
                             " must come with --http-address=ADDRESS");
    }
    if (values.insecure) return InvalidArgument("--insecure must come with --http-address=ADDRESS");
    return Status::Ok();
  }
  const auto address = ParseHttpAddress(values.http_address);
  if (!address.ok()) return address.status();
  if (!address->local() && values.http_auth_token_file.empty() && !values.insecure) {
    return InvalidArgument(
        fmt::format("--http-address={}: other machines reach it: must come with "
                    "--http-auth-token-file=FILE or --insecure",
                    values.http_address));
  }
  return Status::Ok();
}

StatusServer::StatusServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
StatusServer::~StatusServer() = default;

Result<std::unique_ptr<StatusServer>> StatusServer::Open(EventLoop& loop, const Clock& clock,
                                                         const std::string& name,
                                                         const StatusServerOptions& values,
                                                         const Hooks& hooks) {
  if (values.http_address.empty()) return std::unique_ptr<StatusServer>();
  if (Status s = CheckStatusServerOptions(values); !s.ok()) return s;
  const auto address = ParseHttpAddress(values.http_address);
  ServerConfig config;
  config.max_body_bytes = kMaxBodyBytes;
  if (!values.http_auth_token_file.empty()) {
    auto token = ReadTokenFile("http-auth-token-file", values.http_auth_token_file);
    if (!token.ok()) return token.status();
    config.token = std::move(token).value();
  }
  auto impl = std::make_unique<Impl>();
  impl->AddRoutes(name, clock.WallNow(), hooks);
  impl->server =
      std::make_unique<Server>(loop, clock, std::move(config), impl->router, impl->metrics);
  if (Status s = impl->server->Listen(*address); !s.ok()) return s;
  AnnounceListening({}, impl->server->bound());
  return std::make_unique<StatusServer>(std::move(impl));
}

Router& StatusServer::router() { return impl_->router; }
MetricRegistry& StatusServer::metrics() { return impl_->metrics; }
std::string StatusServer::bound() const { return impl_->server->bound(); }

}  // namespace rivulet
