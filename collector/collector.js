// Page views, and what rivulet.signal(type, {...}) tells, to the collector this came from.
// <script src="http://HOST/collector.js" defer></script>; see collector(1).
(() => {
  const tag = document.currentScript, nav = navigator, memory = {};
  const api = window.rivulet = window.rivulet || {}, early = api.q || [];
  if (!tag || api.view) return;  // a module, a second tag

  const newId = () => Array.from(crypto.getRandomValues(new Uint8Array(12)),
    (byte) => (byte + 256).toString(16).slice(1)).join('');
  // The id in that cookie of the page's own site, kept for so many seconds more.
  const keep = (name, seconds) => {
    let id = memory[name] || newId();
    try {
      const found = document.cookie.match('(?:^|; )' + name + '=([\\w-]{1,64})');
      if (found) id = found[1]; else if (nav.cookieEnabled) id = newId();
      document.cookie = name + '=' + id + ';path=/;SameSite=Lax;max-age=' + seconds
        + (location.protocol == 'https:' ? ';Secure' : '');
    } catch { /* a sandboxed frame has no cookies */ }
    return memory[name] = id;
  };
  const cut = (url) => url.slice(0, 8e3);

  const silent = tag.dataset.dnt == 'honour' && (nav.doNotTrack == 1 || nav.globalPrivacyControl);
  const view = api.view = newId();
  api.signal = (type, d) => {
    if (!silent) try {
      const event = {
        t: type, p: keep('rivulet_party', 63072e3), s: keep('rivulet_session', 1800), v: view,
        i: newId(), l: cut(location.href), r: cut(document.referrer), c: screen.width + 'x'
          + screen.height, w: innerWidth + 'x' + innerHeight, u: Date.now(), d
      };
      const url = new URL('event', tag.src);
      if (nav.sendBeacon && nav.sendBeacon(url, JSON.stringify(event))) return;
      event.d = JSON.stringify(d || {});
      url.search = new URLSearchParams(event);
      if (url.href.length < 14e3) new Image().src = url;
    } catch (error) { console.warn(error); }
  };
  if (tag.dataset.pageview != 'off') api.signal('page_view');
  early.forEach((call) => api.signal(...call));
})();
