-- POST /pub: 100 messages of 100 bytes, one a line.
dofile(debug.getinfo(1, "S").source:match("@(.*/)") .. "common.lua")

wrk.method = "POST"
wrk.path = "/pub"
wrk.body = lines(100, 100)
