-- GET /item: a bandit's pick.
dofile(debug.getinfo(1, "S").source:match("@(.*/)") .. "common.lua")

wrk.path = "/item"
