// shop: a small shop of pictures whose front page features what a bandit chooses.
//
//   shop --port=8090 --api=http://127.0.0.1:8087 --collector=http://127.0.0.1:8088
//
//   GET /                 the front page: what is featured, and the others
//   GET /picture/ID       a picture's page; /picture/ID.svg is the picture
//   GET /pick             what the front page would feature now, as JSON
//   GET /catalogue        the ids of all pictures, as JSON: for the bandit's newcomers
//
// For each front page the API is asked, GET /item?format=json. When it does not answer in time, or
// with a picture that there is not, one is chosen at random: the visitor sees no difference. Until
// it answers again it is tried at each visit, one request at a time, and nobody waits for that.
#include <fmt/format.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "algorithms/random.h"
#include "base/json.h"
#include "base/log.h"
#include "base/options.h"
#include "base/print.h"
#include "examples/shop/page.h"
#include "examples/shop/pictures.h"
#include "http/client.h"
#include "http/daemon.h"
#include "http/reply.h"
#include "http/request.h"

namespace rivulet::shop {
namespace {

constexpr char kHtml[] = "text/html; charset=utf-8";
constexpr char kSvg[] = "image/svg+xml";
constexpr char kJson[] = "application/json";

struct ShopOptions {
  std::string api;
  std::string collector;
  Duration api_timeout = std::chrono::milliseconds(200);
  std::uint64_t pictures = 10;
  std::uint64_t seed = 1;
  bool list = false;
};

/// "http://host:port", without what may follow.
std::string OriginOf(const std::string& url) {
  const std::size_t host = url.find("://");
  return host == std::string::npos ? url : url.substr(0, url.find('/', host + 3));
}

std::string WithoutSlash(std::string url) {
  while (url.ends_with('/')) url.pop_back();
  return url;
}

class Shop {
 public:
  Shop(Daemon& daemon, ShopOptions options)
      : daemon_(daemon),
        options_(std::move(options)),
        client_(daemon.loop()),
        random_(options_.seed) {
    options_.api = WithoutSlash(options_.api);
    options_.collector = WithoutSlash(options_.collector);
    for (std::size_t i = 0; i < options_.pictures; ++i) pictures_.push_back(PictureId(i));
    known_.insert(pictures_.begin(), pictures_.end());
    const std::string collector =
        options_.collector.empty() ? "" : " " + OriginOf(options_.collector);
    policy_ = fmt::format(
        "default-src 'none'; script-src 'self'{0}; style-src 'self'; img-src 'self'{0}; "
        "connect-src 'self'{0}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        collector);
  }

  void Install() {
    Router& router = daemon_.router();
    // This program's page is the shop.
    router.Find("/")->handler = [this](const Request&, Reply& reply) {
      Answer(reply, [this](const Featured& featured) {
        return Content{kHtml, FrontPage(featured, pictures_, options_.collector)};
      });
    };
    router.Add(kLooks, "/pick", [this](const Request&, Reply& reply) {
      Answer(reply, [](const Featured& featured) { return Content{kJson, PickJson(featured)}; });
    });
    router.Add(kLooks, "/catalogue", [this](const Request&, Reply& reply) {
      std::string json = "[";
      for (const std::string& id : pictures_) {
        if (json.size() > 1) json += ',';
        AppendJsonString(&json, id);
      }
      reply.Body(200, kJson, json + "]\n");
    });
    router.AddPrefix(kLooks, "/picture/", [this](const Request& request, Reply& reply) {
      ServePicture(request, reply);
    });
    AddFile("/shop.css", "text/css; charset=utf-8", kStyle);
    AddFile("/shop.js", "text/javascript; charset=utf-8", kScript);
    AddFile("/icon.svg", kSvg, kIcon);
  }

 private:
  struct Content {
    std::string_view type;
    std::string text;
  };
  /// Of an answer that is owed while the API is asked.
  struct Asked {
    PendingReply reply;
    std::function<Content(const Featured&)> make;
    ClientCall call;
  };

  void AddFile(std::string path, std::string_view type, std::string_view text) {
    daemon_.router().Add(kLooks, std::move(path), [type, text](const Request&, Reply& reply) {
      reply.AddHeader("Cache-Control", "max-age=300");
      reply.Body(200, type, text);
    });
  }

  static std::string PickJson(const Featured& featured) {
    std::string json = "{\"item\":";
    AppendJsonString(&json, featured.item);
    if (featured.round) json += fmt::format(",\"round\":{}", *featured.round);
    return json + fmt::format(",\"source\":\"{}\"}}\n", featured.source);
  }

  std::string Headers(const Featured* featured) const {
    std::string lines = fmt::format(
        "Content-Security-Policy: {}\r\nX-Content-Type-Options: nosniff\r\n"
        "Referrer-Policy: strict-origin-when-cross-origin\r\nCache-Control: no-store\r\n",
        policy_);
    if (featured != nullptr) lines += fmt::format("X-Pick: {}\r\n", featured->source);
    return lines;
  }

  Featured AnyPicture() {
    return {.item = pictures_[random_.Below(pictures_.size())], .round = {}};
  }

  /// What the API says, or any picture.
  Featured ReadPick(const ClientResponse& response) {
    JsonDocument document;
    if (!response.ok()) {
      Note(response.Describe());
      return AnyPicture();
    }
    if (Status s = document.Parse(response.body, {.require_object = true}); !s.ok()) {
      Note(fmt::format("{}: {}", response.endpoint, s.message()));
      return AnyPicture();
    }
    const JsonValue* items = FindMember(document.root(), "items");
    const JsonValue* item = items != nullptr && items->IsArray() && !items->Empty()
                                ? FindPath((*items)[0], "item")
                                : nullptr;
    if (item == nullptr || !item->IsString() || !known_.contains(std::string(JsonText(*item)))) {
      Note(fmt::format("{}: answered no picture of this shop", response.endpoint));
      return AnyPicture();
    }
    Note("");
    Featured featured{.item = std::string(JsonText(*item)), .round = {}, .source = "bandit"};
    const JsonValue* round = FindMember(document.root(), "round");
    if (round != nullptr && round->IsUint64()) featured.round = round->GetUint64();
    return featured;
  }

  /// Says once what is wrong with the API, and once that it is well again.
  void Note(const std::string& trouble) {
    if (trouble.empty() == trouble_.empty()) return;
    trouble_ = trouble;
    if (trouble.empty()) {
      LogInfo("the API answers again");
    } else {
      LogWarning("{}; pictures are chosen at random", trouble);
    }
  }

  void Answer(Reply& reply, std::function<Content(const Featured&)> make) {
    const auto asked = std::make_shared<Asked>();
    asked->make = std::move(make);
    asked->reply = reply.Defer();
    if (!options_.api.empty() && !trouble_.empty()) Probe();
    if (options_.api.empty() || !trouble_.empty()) return Send(*asked, AnyPicture());
    // The call's callback keeps `asked`, which has the call, until it is done: it always is.
    asked->call = client_.Start(ItemRequest(), [this, asked](const ClientResponse& response) {
      Send(*asked, ReadPick(response));
    });
  }
  ClientRequest ItemRequest() const {
    ClientRequest request;
    request.url = options_.api + "/item?format=json";
    request.timeout = options_.api_timeout;
    request.max_body_bytes = std::size_t{64} << 10;
    return request;
  }
  /// Whether the API answers again; nobody waits for it.
  void Probe() {
    if (probing_) return;
    probing_ = true;
    probe_ = client_.Start(ItemRequest(), [this](const ClientResponse& response) {
      probing_ = false;
      ReadPick(response);
    });
  }
  void Send(Asked& asked, const Featured& featured) {
    const Content content = asked.make(featured);
    asked.reply.Send(200, content.type, content.text, Headers(&featured));
    asked.call.Detach();
  }

  void ServePicture(const Request& request, Reply& reply) {
    std::string id(request.path().substr(std::string_view("/picture/").size()));
    const bool drawn = id.ends_with(".svg");
    if (drawn) id.resize(id.size() - 4);
    PendingReply pending = reply.Defer();
    if (!known_.contains(id)) return pending.Send(404, kHtml, MissingPage(), Headers(nullptr));
    if (!drawn) {
      return pending.Send(200, kHtml, PicturePage(id, options_.collector), Headers(nullptr));
    }
    pending.Send(200, kSvg, DrawPicture(id), "Cache-Control: max-age=3600\r\n");
  }

  Daemon& daemon_;
  ShopOptions options_;
  Client client_;
  Random random_;
  std::vector<std::string> pictures_;
  std::unordered_set<std::string> known_;
  std::string policy_;
  std::string trouble_;  // of the API; empty: it is well
  bool probing_ = false;
  ClientCall probe_;
};

Status CheckUrl(const std::string& url) {
  if (url.starts_with("http://") || url.starts_with("https://")) return CheckClientUrl(url);
  return InvalidArgument("an http:// or https:// URL");
}

}  // namespace
}  // namespace rivulet::shop

int main(int argc, char** argv) {
  using namespace rivulet;
  Options options("shop", "a shop of pictures, one of which a bandit features");
  shop::ShopOptions shop_options;
  DaemonOptions common;
  options
      .Text("api", &shop_options.api, "the bandit's URL; without it a picture is chosen at random")
      .Metavar("URL")
      .Check(shop::CheckUrl);
  options.Time("api-timeout", &shop_options.api_timeout, "time it is given to answer")
      .Metavar("TIME");
  options.Text("collector", &shop_options.collector, "the collector's URL, as browsers reach it")
      .Metavar("URL")
      .Check(shop::CheckUrl);
  options.Uint("pictures", &shop_options.pictures, "pictures in the shop")
      .Metavar("N")
      .Range(1, 10'000);
  options.Uint("seed", &shop_options.seed, "of what is chosen at random").Metavar("N");
  options.Flag("list", &shop_options.list, "print the ids of the pictures, one a line, and exit");
  AddDaemonOptions(&options, &common);
  if (const auto code = options.Parse(argc, argv)) return *code;
  if (Status s = CheckDaemonOptions(common); !s.ok()) return options.Fail(s.message());
  if (shop_options.list) {
    for (std::size_t i = 0; i < shop_options.pictures; ++i)
      Print(stdout, "{}\n", shop::PictureId(i));
    return 0;
  }
  if (Status s = PrepareProcess("shop", common); !s.ok()) return FailStart("shop", s);

  Daemon daemon("shop", common);
  shop::Shop server(daemon, shop_options);
  server.Install();
  return daemon.Run();
}
