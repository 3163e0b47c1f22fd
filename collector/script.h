// The browser's part, collector.js, as it is built into the program: at most 2,048 bytes.
//
//   <script src="http://HOST:PORT/collector.js" defer></script>
//
// sends a page view to /event beside it, and gives the page rivulet.signal(type, {…}) for more;
// rivulet.view is the id of the page view. Attributes of the tag: data-pageview="off" sends none,
// data-dnt="honour" sends nothing for who asks not to be tracked, and sets no cookie. A page that
// signals before the script has come says first:
//
//   window.rivulet = window.rivulet || {q: [], signal(...a) { this.q.push(a) }};
//
// Cookies, of the page's own site, SameSite=Lax, Secure on https: rivulet_party (2 years) and
// rivulet_session (30 minutes after the last event). The page's policy must allow the collector's
// origin as script-src and connect-src (and img-src, for browsers without sendBeacon).
#pragma once

#include <string_view>

namespace rivulet {

/// Valid as long as the program runs.
std::string_view CollectorScript();

}  // namespace rivulet
