-- POST /event: one event of a browser, each with an id of its own; every fifth is a click, the rest
-- impressions. This is built while it runs: wrk writes a quarter of a million a second so.
dofile(debug.getinfo(1, "S").source:match("@(.*/)") .. "common.lua")

wrk.method = "POST"
wrk.path = "/event"
wrk.headers["Content-Type"] = "text/plain;charset=UTF-8"
wrk.headers["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

local who = '"p":"pmzk3v1q8x2c4b6n","s":"s9d8f7g6h5j4k3l2","v":"v1a2s3d4f5g6h7j8","w":"1280x720","c":"1920x1080","u":1795307888000'
local shown = '{"t":"impression","i":"e%012d",' .. who ..
  ',"l":"https://shop.example/","r":"https://search.example/?q=pictures","d":{"item":"item-%d","round":1}}'
local clicked = '{"t":"page_view","i":"e%012d",' .. who ..
  ',"l":"https://shop.example/picture/item-%d#/?source=top_pick&round=1","r":"https://shop.example/"}'
local plain = wrk.format
local head, count = nil, 0

function request()
  count = count + 1
  local body = string.format(count % 5 == 0 and clicked or shown, count, count % 10)
  if not head then -- everything but the length and the body
    head = plain("POST", wrk.path, wrk.headers, "#"):gsub("Content%-Length: 1\r\n", ""):gsub("\r\n\r\n#$", "")
  end
  return head .. "\r\nContent-Length: " .. #body .. "\r\n\r\n" .. body
end
