// The shop's pages: HTML, the style sheet, and the script of a few lines that tells the collector
// what was shown. Without JavaScript everything works but that. What others chose (ids) is escaped.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "algorithms/hash.h"
#include "examples/shop/palette.h"

namespace rivulet::shop {

/// What the front page features, and who says so.
struct Featured {
  std::string item;
  std::optional<std::uint64_t>
      round;  // of the bandit; nothing where it was not the bandit's choice
  std::string_view source = "random";  // or "bandit"
};

inline std::string Escaped(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

/// Where a click on what is featured leads to: the fragment says where the visitor came from, and
/// stays in the browser, whose page view tells the collector.
inline std::string FeaturedLink(const Featured& featured) {
  std::string link = fmt::format("/picture/{}#/?source=top_pick", featured.item);
  if (featured.round) link += fmt::format("&round={}", *featured.round);
  return link;
}

inline std::string PriceOf(std::string_view id) {
  return fmt::format("€ {}", 18 + HashBytes(id, 1) % 9 * 4);
}

/// All pages have the same head. `collector`: the URL that events go to; empty: nowhere.
inline std::string PageAround(std::string_view title, std::string_view content,
                              const std::string& collector) {
  const std::string script =
      collector.empty()
          ? ""
          : fmt::format("<script src=\"{}/collector.js\" defer></script>\n", Escaped(collector));
  return fmt::format(R"(<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{}</title>
<link rel="icon" href="/icon.svg">
<link rel="stylesheet" href="/shop.css">
<script src="/shop.js" defer></script>
{}</head>
<body>
<header><a class="name" href="/">Rivulet Prints</a><span>landscapes, drawn by a program</span></header>
<main>
{}</main>
<footer>Every picture here is drawn from its name alone.</footer>
</body>
</html>
)",
                     Escaped(title), script, content);
}

inline std::string CardOf(std::string_view id) {
  return fmt::format(
      "<a class=\"card\" href=\"/picture/{0}\"><img src=\"/picture/{0}.svg\" alt=\"{1}\" "
      "width=\"800\" "
      "height=\"600\" loading=\"lazy\"><span>{1}</span><span class=\"price\">{2}</span></a>\n",
      Escaped(id), Escaped(PictureTitle(id)), PriceOf(id));
}

inline std::string FrontPage(const Featured& featured, const std::vector<std::string>& pictures,
                             const std::string& collector) {
  std::string content = fmt::format(
      R"(<section id="featured" data-item="{0}"{1}>
<a class="picture" href="{2}"><img src="/picture/{0}.svg" alt="{3}" width="800" height="600"></a>
<div><p class="eyebrow">Today’s pick</p><h1>{3}</h1>
<p>A print on heavy matt paper, 60 × 45 cm, signed by nobody.</p>
<p class="price">{4}</p><a class="button" href="{2}">See it</a></div>
</section>
<h2>More pictures</h2>
<section class="grid">
)",
      Escaped(featured.item),
      featured.round ? fmt::format(" data-round=\"{}\"", *featured.round) : "",
      Escaped(FeaturedLink(featured)), Escaped(PictureTitle(featured.item)),
      PriceOf(featured.item));
  // A page of a large shop does not show all of it.
  constexpr std::size_t kMostShown = 24;
  std::size_t shown = 0;
  for (const std::string& id : pictures) {
    if (id == featured.item) continue;
    if (shown++ == kMostShown) break;
    content += CardOf(id);
  }
  return PageAround("Rivulet Prints", content + "</section>\n", collector);
}

inline std::string PicturePage(std::string_view id, const std::string& collector) {
  const std::string title = Escaped(PictureTitle(id));
  return PageAround(PictureTitle(id) + " · Rivulet Prints",
                    fmt::format(R"(<article>
<img src="/picture/{0}.svg" alt="{1}" width="800" height="600">
<div><h1>{1}</h1><p class="price">{2}</p>
<p>A print on heavy matt paper, 60 × 45 cm. There is no other of this name, and there never will be: it
would be the same.</p>
<a class="button quiet" href="/">Back to the shop</a></div>
</article>
)",
                                Escaped(id), title, PriceOf(id)),
                    collector);
}

inline std::string MissingPage() {
  return PageAround("Not here · Rivulet Prints",
                    "<article><div><h1>There is no such picture</h1><a class=\"button quiet\" "
                    "href=\"/\">Back to the shop</a></div></article>\n",
                    "");
}

inline constexpr std::string_view kIcon =
    R"(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="#24506b"/><circle cx="21" cy="11" r="4" fill="#ffd98a"/><path d="M3 26l9-13 6 8 4-5 7 10z" fill="#9fd0c8"/></svg>)";

// The collector's script may come later, or never: until then calls wait in `q`.
inline constexpr std::string_view kScript = R"('use strict';
window.rivulet = window.rivulet || { q: [], signal(...call) { this.q.push(call); } };
const featured = document.querySelector('#featured');
if (featured) {
  const shown = { source: 'top_pick', item: featured.dataset.item };
  if (featured.dataset.round) shown.round = Number(featured.dataset.round);
  window.rivulet.signal('impression', shown);
}
// A reload is no second click: what says where the visitor came from has been told by now.
addEventListener('load', () => {
  if (location.hash.startsWith('#/?source=')) history.replaceState(null, '', location.pathname);
});
)";

inline constexpr std::string_view kStyle = R"(:root {
  color-scheme: light dark;
  --ground: #faf8f4; --card: #fff; --ink: #23282f; --quiet: #6b6f76; --line: #e7e2d8; --accent: #24506b;
}
@media (prefers-color-scheme: dark) {
  :root { --ground: #14171b; --card: #1d2127; --ink: #e8e6e1; --quiet: #9a9ea6; --line: #2c3138; --accent: #9fd0c8; }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; max-width: 72rem; padding: 0 1.25rem; background: var(--ground); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
}
header { display: flex; flex-wrap: wrap; align-items: baseline; gap: .5rem 1rem; padding: 1.6rem 0 1.2rem; color: var(--quiet); }
.name { white-space: nowrap; font: 600 1.5rem/1 Georgia, "Times New Roman", serif; color: var(--ink); text-decoration: none; }
h1 { font: 600 clamp(1.8rem, 4vw, 2.8rem)/1.1 Georgia, "Times New Roman", serif; margin: 0 0 .8rem; }
h2 { font: 600 1.25rem/1.2 Georgia, "Times New Roman", serif; margin: 2.4rem 0 1rem; }
img { display: block; width: 100%; height: auto; }
a:focus-visible { outline: 3px solid var(--accent); outline-offset: 3px; }
#featured, article {
  display: grid; grid-template-columns: minmax(0, 5fr) minmax(0, 3fr); gap: 2.2rem; align-items: center;
  padding-right: 2rem; background: var(--card); border: 1px solid var(--line); border-radius: 14px; overflow: hidden;
}
article > div:only-child { grid-column: 1 / -1; padding: 3rem 2rem; }
.eyebrow { margin: 0 0 .5rem; color: var(--accent); font-size: .8rem; letter-spacing: .12em; text-transform: uppercase; }
.price { color: var(--quiet); font-variant-numeric: tabular-nums; }
#featured .price, article .price { font-size: 1.2rem; color: var(--ink); }
.button {
  display: inline-block; padding: .6rem 1.4rem; border: 1px solid var(--accent); border-radius: 999px; background: var(--accent);
  color: var(--card); text-decoration: none; font-weight: 600;
}
.button.quiet { background: none; color: var(--accent); }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(17rem, 100%), 1fr)); gap: 1.1rem; }
.card {
  display: grid; grid-template-columns: 1fr auto; overflow: hidden; background: var(--card); border: 1px solid var(--line);
  border-radius: 10px; color: inherit; text-decoration: none; transition: transform .15s;
}
.card:hover { transform: translateY(-3px); }
.card img { grid-column: 1 / -1; }
.card span { padding: .6rem .9rem .7rem; }
footer { padding: 2.5rem 0; color: var(--quiet); font-size: .9rem; }
@media (max-width: 46rem) {
  #featured, article { grid-template-columns: minmax(0, 1fr); padding: 0; gap: 0; }
  #featured > div, article > div { padding: 1.4rem; }
}
@media (prefers-reduced-motion: reduce) { .card { transition: none; } }
)";

}  // namespace rivulet::shop
