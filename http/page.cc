#include "http/page.h"

#include <algorithm>
#include <array>

#include "base/version.h"
#include "http/reply.h"
#include "http/request.h"
#include "http/syntax.h"

// Of http/page_assets.S.
#define RIVULET_PAGE_ASSET(name)           \
  extern const char rivulet_page_##name[]; \
  extern const char rivulet_page_##name##_end[]
extern "C" {
RIVULET_PAGE_ASSET(pubsub_html);
RIVULET_PAGE_ASSET(pubsub_js);
RIVULET_PAGE_ASSET(simplequeue_html);
RIVULET_PAGE_ASSET(simplequeue_js);
RIVULET_PAGE_ASSET(stats_html);
RIVULET_PAGE_ASSET(stats_js);
RIVULET_PAGE_ASSET(tasks_html);
RIVULET_PAGE_ASSET(tasks_js);
RIVULET_PAGE_ASSET(arms_html);
RIVULET_PAGE_ASSET(arms_js);
RIVULET_PAGE_ASSET(common_js);
RIVULET_PAGE_ASSET(chart_js);
RIVULET_PAGE_ASSET(tail_js);
RIVULET_PAGE_ASSET(page_css);
RIVULET_PAGE_ASSET(uplot_js);
RIVULET_PAGE_ASSET(uplot_css);
}
#undef RIVULET_PAGE_ASSET
#define RIVULET_PAGE_CONTENT(name) Between(rivulet_page_##name, rivulet_page_##name##_end)

namespace rivulet {

namespace {

constexpr std::string_view kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'";
constexpr std::string_view kJavaScript = "text/javascript; charset=utf-8";
constexpr std::string_view kCss = "text/css; charset=utf-8";
constexpr std::string_view kHtml = "text/html; charset=utf-8";

std::string_view Between(const char* begin, const char* end) {
  return {begin, static_cast<std::size_t>(end - begin)};
}

void Replace(std::string* text, std::string_view what, std::string_view by) {
  for (std::size_t at = text->find(what); at != std::string::npos; at = text->find(what, at)) {
    text->replace(at, what.size(), by);
    at += by.size();
  }
}

std::string FillIn(std::string_view page, std::string_view program) {
  std::string html(page);
  Replace(&html, "@PROGRAM@", program);
  Replace(&html, "@VERSION@", kVersion);
  return html;
}

// A Host that a foreign page cannot have rebound: a number or localhost.
bool IsPlainHost(std::string_view host) {
  if (EqualsIgnoreCase(host, "localhost") || host.starts_with('[')) return true;
  return !host.empty() &&
         std::all_of(host.begin(), host.end(), [](char c) { return IsDigit(c) || c == '.'; });
}

std::string_view WithoutPort(std::string_view host) {
  const std::size_t colon = host.rfind(':');
  const bool in_brackets = host.find(']') != std::string_view::npos && colon < host.find(']');
  return colon == std::string_view::npos || in_brackets ? host : host.substr(0, colon);
}

void Serve(Reply& reply, std::string_view type, std::string_view content) {
  reply.AddHeader("Content-Security-Policy", kPolicy);
  reply.AddHeader("X-Content-Type-Options", "nosniff");
  reply.AddHeader("Referrer-Policy", "no-referrer");
  reply.AddHeader("Cache-Control", "no-store");
  reply.Body(200, type, content);
}

}  // namespace

std::span<const PageAsset> PageAssets() {
  static const std::array<PageAsset, 11> kAssets = {{
      {"/page/pubsub.js", kJavaScript, RIVULET_PAGE_CONTENT(pubsub_js)},
      {"/page/simplequeue.js", kJavaScript, RIVULET_PAGE_CONTENT(simplequeue_js)},
      {"/page/stats.js", kJavaScript, RIVULET_PAGE_CONTENT(stats_js)},
      {"/page/tasks.js", kJavaScript, RIVULET_PAGE_CONTENT(tasks_js)},
      {"/page/arms.js", kJavaScript, RIVULET_PAGE_CONTENT(arms_js)},
      {"/page/common.js", kJavaScript, RIVULET_PAGE_CONTENT(common_js)},
      {"/page/chart.js", kJavaScript, RIVULET_PAGE_CONTENT(chart_js)},
      {"/page/tail.js", kJavaScript, RIVULET_PAGE_CONTENT(tail_js)},
      {"/page/uplot.js", kJavaScript, RIVULET_PAGE_CONTENT(uplot_js)},
      {"/page/page.css", kCss, RIVULET_PAGE_CONTENT(page_css)},
      {"/page/uplot.css", kCss, RIVULET_PAGE_CONTENT(uplot_css)},
  }};
  return kAssets;
}

std::string PageHtml(std::string_view program) {
  return FillIn(program == "pubsub"        ? RIVULET_PAGE_CONTENT(pubsub_html)
                : program == "simplequeue" ? RIVULET_PAGE_CONTENT(simplequeue_html)
                                           : RIVULET_PAGE_CONTENT(stats_html),
                program);
}

std::string TasksPageHtml(std::string_view program) {
  return FillIn(RIVULET_PAGE_CONTENT(tasks_html), program);
}

std::string ArmsPageHtml(std::string_view program) {
  return FillIn(RIVULET_PAGE_CONTENT(arms_html), program);
}

bool IsOwnHost(std::string_view host, const std::vector<std::string>& hosts) {
  const std::string_view name = WithoutPort(host);
  return IsPlainHost(name) || std::find(hosts.begin(), hosts.end(), name) != hosts.end();
}

void ServePage(const Request& request, Reply& reply, std::string_view html,
               const std::vector<std::string>& hosts) {
  if (!IsOwnHost(request.Header("Host").value_or(""), hosts)) {
    return reply.Error(400,
                       "this Host is not served here: use the address, localhost, or a name "
                       "that --allow-origin gives");
  }
  Serve(reply, kHtml, html);
}

void AddPageRoutes(Router* router, const std::string& program,
                   const std::vector<std::string>& hosts) {
  router->Add(kLooks, "/", [html = PageHtml(program), hosts](const Request& request, Reply& reply) {
    ServePage(request, reply, html, hosts);
  });
  // The page's own parts hold no data, and a browser cannot give them the token.
  for (const PageAsset& asset : PageAssets()) {
    router->AddOpen(kLooks, std::string(asset.path), [&asset](const Request&, Reply& reply) {
      Serve(reply, asset.content_type, asset.content);
    });
  }
}

}  // namespace rivulet
