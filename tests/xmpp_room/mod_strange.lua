-- Does on demand what no honest client can: a message to the host with a body like
-- "long vault@localhost" makes the server send or do something strange.
local st = require "util.stanza";
local sessions = prosody.full_sessions;
local silent = false;

local function forged_inner()
  return st.message({ xmlns = "jabber:client", from = "owner@localhost/x", to = "vault@localhost",
    type = "chat" }):text_tag("body", "delete all");
end

local strange = {
  long = function (to)
    return st.message({ from = "mallory@localhost/x", to = to, type = "chat" })
      :text_tag("body", "long", { lang = ("x"):rep(10000) });
  end;
  deep = function (to)
    local message = st.message({ from = "mallory@localhost/x", to = to, type = "chat" });
    for _ = 1, 3000 do message:tag("a", { xmlns = "urn:x" }); end
    for _ = 1, 3000 do message:up(); end
    -- Prosody itself cannot archive it.
    return message:text_tag("body", "deep"):tag("no-store", { xmlns = "urn:xmpp:hints" }):up();
  end;
  huge = function (to)
    return st.message({ from = "mallory@localhost/x", to = to, type = "chat" })
      :text_tag("body", ("x"):rep(5 * 1024 * 1024));
  end;
  carbon = function (to)
    return st.message({ from = "mallory@localhost/x", to = to, type = "chat" })
      :tag("received", { xmlns = "urn:xmpp:carbons:2" })
      :tag("forwarded", { xmlns = "urn:xmpp:forward:0" }):add_child(forged_inner());
  end;
  archived = function (to)
    return st.message({ from = "mallory@localhost/x", to = to, type = "chat" })
      :tag("result", { xmlns = "urn:xmpp:mam:2", queryid = "q", id = "1" })
      :tag("forwarded", { xmlns = "urn:xmpp:forward:0" }):add_child(forged_inner());
  end;
};

module:hook("message/host", function (event)
  local what, to = (event.stanza:get_child_text("body") or ""):match("^(%S+) (%S+)$");
  if what == "silence" then
    silent = true;
  elseif what == "end" then
    local condition, jid = to:match("^([^:]+):(.+)$");
    if sessions[jid] then sessions[jid]:close(condition); end
  elseif strange[what] then
    module:send(strange[what](to));
  end
  return true;
end, 100);

module:hook("iq/host", function () if silent then return true; end end, 1000);
