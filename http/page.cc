#include "http/page.h"

#include <fmt/format.h>

#include <algorithm>

#include "http/reply.h"
#include "http/request.h"
#include "http/syntax.h"

namespace rivulet {

namespace {

constexpr std::string_view kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

constexpr std::string_view kHtml = R"(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{0}</title>
<link rel="stylesheet" href="/page.css">
<script src="/page.js" defer></script>
</head>
<body>
<h1>{0}</h1>
<p id="state">connecting</p>
<table><thead><tr><th>what</th><th>now</th><th>per second</th></tr></thead><tbody id="stats"></tbody></table>
<p class="more"><a href="/stats">stats</a> <a href="/stats?format=json">json</a> <a href="/metrics">metrics</a> <a href="/ping">ping</a></p>
</body>
</html>
)";

constexpr std::string_view kCss = R"(:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 40rem; padding: 0 1rem; }
h1 { font-size: 1.4rem; margin: 0; }
#state { margin: 0 0 1rem; opacity: .7; }
#state.bad { color: #c22; opacity: 1; font-weight: 600; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .2rem .4rem; border-bottom: 1px solid #8884; }
th:first-child, td:first-child { text-align: left; }
.more a { margin-right: 1rem; }
)";

constexpr std::string_view kJs = R"('use strict';
// Asks for /stats once a second and shows each number with its change.
const query = new URLSearchParams(location.search);
const token = query.get('token');
const url = '/stats?format=json' + (token ? '&token=' + encodeURIComponent(token) : '');
const cells = new Map();
let before = null;

function row(name) {
  if (!cells.has(name)) {
    const tr = document.createElement('tr');
    const tds = [0, 1, 2].map(() => tr.appendChild(document.createElement('td')));
    tds[0].textContent = name.replaceAll('_', ' ');
    document.getElementById('stats').appendChild(tr);
    cells.set(name, tds);
  }
  return cells.get(name);
}

function show(stats, now) {
  for (const [name, value] of Object.entries(stats)) {
    if (typeof value !== 'number' && typeof value !== 'string') continue;
    const [, present, rate] = row(name);
    if (name === 'start_time') {
      present.textContent = new Date(value * 1000).toLocaleString();
      continue;
    }
    present.textContent = typeof value === 'number' ? value.toLocaleString() : value;
    if (typeof value !== 'number' || !before) continue;
    const change = (value - before.stats[name]) * 1000 / (now - before.now);
    rate.textContent = change ? Math.round(change).toLocaleString() : '';
  }
  before = { stats, now };
}

async function tick() {
  const state = document.getElementById('state');
  try {
    const answer = await fetch(url, { cache: 'no-store' });
    if (!answer.ok) throw new Error('answered ' + answer.status);
    show(await answer.json(), performance.now());
    state.textContent = 'live';
    state.className = '';
  } catch (error) {
    state.textContent = 'no answer: ' + error.message;
    state.className = 'bad';
  }
  setTimeout(tick, 1000);
}
tick();
)";

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

void AddPageRoutes(Router* router, const std::string& program,
                   const std::vector<std::string>& hosts) {
  const std::string html = fmt::format(kHtml, program);
  router->Add(kLooks, "/", [html, hosts](const Request& request, Reply& reply) {
    const std::string_view host = WithoutPort(request.Header("Host").value_or(""));
    if (!IsPlainHost(host) && std::find(hosts.begin(), hosts.end(), host) == hosts.end()) {
      return reply.Error(400,
                         "this Host is not served here: use the address, localhost, or a name "
                         "that --allow-origin gives");
    }
    Serve(reply, "text/html; charset=utf-8", html);
  });
  // The page's own parts hold no data, and a browser cannot give them the token.
  router->AddOpen(kLooks, "/page.js", [](const Request&, Reply& reply) {
    Serve(reply, "text/javascript; charset=utf-8", kJs);
  });
  router->AddOpen(kLooks, "/page.css", [](const Request&, Reply& reply) {
    Serve(reply, "text/css; charset=utf-8", kCss);
  });
}

}  // namespace rivulet
