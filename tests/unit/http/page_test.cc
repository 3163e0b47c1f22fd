#include "http/page.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <string>

namespace rivulet {
namespace {

const std::vector<std::string> kPrograms = {"pubsub", "simplequeue", "ps_to_http", "a reader",
                                            "a bandit"};

std::string HtmlOf(const std::string& program) {
  return program == "a reader"   ? TasksPageHtml(program)
         : program == "a bandit" ? ArmsPageHtml(program)
                                 : PageHtml(program);
}

const PageAsset* FindAsset(std::string_view path) {
  const auto assets = PageAssets();
  const auto found = std::find_if(assets.begin(), assets.end(),
                                  [path](const PageAsset& asset) { return asset.path == path; });
  return found == assets.end() ? nullptr : &*found;
}

// The first group of each match.
std::set<std::string> Matches(const std::string& text, const char* pattern) {
  const std::regex regex(pattern);
  std::set<std::string> found;
  for (auto it = std::sregex_iterator(text.begin(), text.end(), regex);
       it != std::sregex_iterator(); ++it) {
    found.insert((*it)[1]);
  }
  return found;
}

TEST_CASE("page: each program's page bears its name, and no placeholder is left") {
  for (const std::string& program : kPrograms) {
    CAPTURE(program);
    const std::string html = HtmlOf(program);
    CHECK(html.find("<title>" + program) != std::string::npos);
    CHECK(html.find('@') == std::string::npos);
  }
}

TEST_CASE("page: what a page loads is there, and what that imports") {
  for (const std::string& program : kPrograms) {
    std::set<std::string> wanted = Matches(HtmlOf(program), "(?:src|href)=\"(/page/[^\"]+)\"");
    CHECK(wanted.size() >= 2);
    std::set<std::string> seen;
    while (!wanted.empty()) {
      const std::string path = *wanted.begin();
      wanted.erase(wanted.begin());
      if (!seen.insert(path).second) continue;
      CAPTURE(path);
      const PageAsset* asset = FindAsset(path);
      REQUIRE(asset != nullptr);
      for (const std::string& name :
           Matches(std::string(asset->content), "from '\\./([a-z_]+\\.js)'")) {
        wanted.insert("/page/" + name);
      }
    }
  }
}

TEST_CASE("page: an asset is its file, byte for byte") {
  for (const PageAsset& asset : PageAssets()) {
    CAPTURE(asset.path);
    std::ifstream file("http" + std::string(asset.path), std::ios::binary);
    const std::string content{std::istreambuf_iterator<char>(file), {}};
    if (content.empty()) continue;      // run from elsewhere
    CHECK((content == asset.content));  // without printing both
  }
}

TEST_CASE("page: scripts are served as JavaScript, style sheets as CSS") {
  for (const PageAsset& asset : PageAssets()) {
    CAPTURE(asset.path);
    CHECK(asset.content_type == (asset.path.ends_with(".css") ? "text/css; charset=utf-8"
                                                              : "text/javascript; charset=utf-8"));
  }
}

// What Content-Security-Policy: default-src 'none' with 'self' for scripts and styles refuses.
TEST_CASE("page: the HTML has no script, style or handler of its own, and nothing from outside") {
  for (const std::string& program : kPrograms) {
    CAPTURE(program);
    const std::string html = HtmlOf(program);
    CHECK(Matches(html, "<script([^>]*)></script>").size() ==
          Matches(html, "<script([^>]*)>").size());
    CHECK(html.find("<style") == std::string::npos);
    CHECK(Matches(html, "\\s(style)=").empty());
    CHECK(Matches(html, "\\s(on[a-z]+)=").empty());
    CHECK(html.find("//") == std::string::npos);
    CHECK(html.find("<img") == std::string::npos);
  }
}

TEST_CASE("page: our own scripts put data in by textContent alone") {
  for (const PageAsset& asset : PageAssets()) {
    if (asset.path == "/page/uplot.js") continue;
    CAPTURE(asset.path);
    for (const char* way : {"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write",
                            "eval(", "new Function"}) {
      CHECK(asset.content.find(way) == std::string_view::npos);
    }
  }
}

TEST_CASE("page: a Host is ours when it is a number, localhost or a name that was given") {
  const std::vector<std::string> names = {"status.example.org"};
  for (const char* host :
       {"127.0.0.1", "127.0.0.1:8080", "localhost", "LOCALHOST:1", "[::1]", "[::1]:8080",
        "10.1.2.3:80", "status.example.org", "status.example.org:8443"}) {
    CAPTURE(host);
    CHECK(IsOwnHost(host, names));
  }
  for (const char* host : {"", ":8080", "evil.test", "127.0.0.1.evil.test", "localhost.evil.test",
                           "status.example.org.evil.test", "example.org"}) {
    CAPTURE(host);
    CHECK_FALSE(IsOwnHost(host, names));
  }
}

}  // namespace
}  // namespace rivulet
